// The exact gradient of the steps that were taken, from the last to the first.
//
// With k_i = f(t_i, Y_i) and Y_i = y0 + h sum_j a_ij k_j, from the last stage to the first
//   v_i = dL/dk_i = h (b_i l1 + sum_j a_ji g_j),  g_i = (df/dy)^T v_i,  l0 = l1 + sum_i g_i,
//   dL/dt = sum_i r_i,  dL/dh = sum_i k_i v_i / h + c_i r_i,  r_i = (df/dt) v_i.
// Step sizes are fractions of the interval, so that its ends have gradients.

// Where a stage's gradient with respect to its input is kept: in place of the slopes of later stages' columns.
DEVICE Real *stage_gradient(const Space &space, int stage) { return space.slope(stage + 2); }

DEVICE void reverse_tile(const Space &space, const Arguments &a, long long tile, Own &own) {
  const Rows rows = rows_of(a, tile);
  // The cotangent of the state, that of a slope, and the slope itself.
  Real *costate = space.state(), *by = space.slope(0), *slope = space.slope(1);
  const Real weight = (Real)a.weight;
  load_constants(space, a, rows);
  for (int index = space.thread; index < ROWS * COLUMNS; index += THREADS)
    costate[index] = index / COLUMNS < rows.count ? a.cotangent[rows.first * COLUMNS + index] : Real(0);
  barrier();
  const long long steps = (long long)a.reports[tile * REPORT + ACCEPTED];
  const double *times = a.times + tile * (a.capacity + 1);
  const double span = a.t1 - a.t0;
  double of_start = 0.0, of_end = 0.0;
  for (long long step = steps - 1; step >= 0; step--) {
    const double t = times[step], next = times[step + 1], h = next - t;
    const double fraction = (t - a.t0) / span, width = h / span;
    double of_t = 0.0, of_h = 0.0;
    ONE_AT_A_TIME for (int stage = USED_STAGES - 1; stage >= 0; stage--) {
      const Real *kept = a.inputs + ((tile * a.capacity + step) * USED_STAGES + stage) * (ROWS * STATE);
      for (int index = space.thread; index < ROWS * COLUMNS; index += THREADS) {
        const int row = index / COLUMNS, column = index % COLUMNS;
        Real sum = (Real)(h * SOLUTION_WEIGHTS[stage]) * costate[index];
        if (column < STATE)
          for (int later = stage + 1; later < USED_STAGES; later++)
            if (STAGE_WEIGHTS[later][stage] != 0.0)
              sum = multiply_add((Real)(h * STAGE_WEIGHTS[later][stage]),
                                 stage_gradient(space, later)[row * STATE + column], sum);
        by[index] = sum;
        if (column < STATE) space.input()[row * STATE + column] = kept[row * STATE + column];
      }
      barrier();
      const double time = stage_time(stage, t, next);
      Real *output = derivative<true>(space, a, time, slope);
      for (int index = space.thread; index < ROWS * COLUMNS; index += THREADS)
        of_h += (double)slope[index] * (double)by[index] / h;
      // The output lies in the first buffer of activations.
      Real *cotangent = space.activations(1), *other = space.activations(2);
      output_cotangents(space, output, weight, slope, by, cotangent);
      own.time = Real(0);
      const Real *result = reverse_layers<LAYERS - 1>(space, a.parameters, (Real)time, cotangent, output, other,
                                                      activation_coefficient(a.parameters), own);
      of_t += (double)own.time;
      of_h += STAGE_TIMES[stage] * (double)own.time;
      for (int index = space.thread; index < ROWS * STATE; index += THREADS) {
        Real number = result[index / STATE * Layer<0>::IN_STRIDE + index % STATE];
        if (MINUS_STATE) number -= space.value_cotangent()[index];
        stage_gradient(space, stage)[index] = number;
      }
      if constexpr (GIVEN > 0)
        for (int index = space.thread; index < rows.count * GIVEN; index += THREADS)
          a.of_given[rows.first * GIVEN + index] +=
              result[index / GIVEN_OR_ONE * Layer<0>::IN_STRIDE + STATE + index % GIVEN_OR_ONE];
      barrier();
    }
    for (int index = space.thread; index < ROWS * STATE; index += THREADS) {
      const int at = index / STATE * COLUMNS + index % STATE;
      Real sum = costate[at];
      for (int stage = 0; stage < USED_STAGES; stage++) sum += stage_gradient(space, stage)[index];
      costate[at] = sum;
    }
    of_start += of_t * (1.0 - fraction) - of_h * width;
    of_end += of_t * fraction + of_h * width;
    barrier();
  }
  for (int index = space.thread; index < rows.count * STATE; index += THREADS)
    a.of_start[rows.first * STATE + index] = costate[index / STATE * COLUMNS + index % STATE];
  of_start = block_sum(space, of_start);
  of_end = block_sum(space, of_end);
  if (space.thread == 0) {
    a.of_span[2 * tile] = of_start;
    a.of_span[2 * tile + 1] = of_end;
  }
  barrier();
}

KERNEL(reverse) {
  const Space space(arguments.scratch);
  pack_constant<0, true>(space, arguments.parameters);
  for (int index = space.thread; index < PARAMETERS; index += THREADS) space.gradient()[index] = Real(0);
  barrier();
  Own own;
  for (long long tile = block_index(); tile < arguments.tiles; tile += block_count())
    reverse_tile(space, arguments, tile, own);
  collect_own(space, own);
  barrier();
  Real *partial = arguments.partial + (size_t)block_index() * PARAMETERS;
  for (int index = space.thread; index < PARAMETERS; index += THREADS) partial[index] = space.gradient()[index];
}

// The sum of all blocks' gradients, in their order.
KERNEL(collect) {
  for (long long index = (long long)block_index() * THREADS + thread_index(); index < PARAMETERS;
       index += (long long)block_count() * THREADS) {
    Real sum = Real(0);
    for (long long block = 0; block < arguments.blocks; block++) sum += arguments.partial[block * PARAMETERS + index];
    arguments.gradient[index] = sum;
  }
}
