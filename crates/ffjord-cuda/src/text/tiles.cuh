// Tiles: rows that share a solve, and what they are given.

// Rows of a tile: as equal as can be.
struct Rows {
  long long first;
  int count;
};
DEVICE Rows rows_of(const Arguments &arguments, long long tile) {
  const long long size = arguments.rows / arguments.tiles, larger = arguments.rows % arguments.tiles;
  const long long first = tile * size + (tile < larger ? tile : larger);
  return {first, (int)(size + (tile < larger ? 1 : 0))};
}

// Probes and what the rows are given; zeros for rows that are not there.
DEVICE void load_constants(const Space &space, const Arguments &arguments, const Rows &rows) {
  if constexpr (PROBES > 0 && !UNIT_PROBES) {
    for (int index = space.thread; index < PROBES * ROWS * STATE; index += THREADS) {
      const int probe = index / (ROWS * STATE), row = index / STATE % ROWS, column = index % STATE;
      const long long at = (probe * arguments.rows + rows.first + row) * STATE + column;
      space.probes()[index] = row < rows.count ? arguments.probes[at] : Real(0);
    }
  }
  if constexpr (GIVEN > 0) {
    for (int index = space.thread; index < ROWS * GIVEN; index += THREADS)
      space.given()[index] = index / GIVEN_OR_ONE < rows.count ? arguments.given[rows.first * GIVEN + index] : Real(0);
  }
}

DEVICE double stage_time(int stage, double t, double next) {
  return STAGE_TIMES[stage] == 1.0 ? next : t + STAGE_TIMES[stage] * (next - t);
}
