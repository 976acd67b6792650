// The solve of a tile of rows by an explicit Runge-Kutta method, with steps of its own, and its exact reverse.
//
// Control is that of ffjord-ode: selection of the first step, PID control of the error, landing on the end. Times,
// error ratios and step sizes are in double precision and the same for all threads.

// What a solve goes through; the same for all threads.
struct Walk {
  double t, t1, t0;
  double step = 0.0, previous = 1.0, before = 1.0, last = infinity();
  bool retrying = false;
  long long accepted = 0, rejected = 0, evaluations = 0;
  int status = COMPLETE;
  double tried = 0.0, ratio = 0.0;

  DEVICE double grid_time(const Arguments &a, double index) const {
    if (a.grid_steps > 0.0) return index >= a.grid_steps ? t1 : t0 + (t1 - t0) * (index / a.grid_steps);
    const double there = t0 + copysign(index * a.grid_size, t1 - t0);
    return (there - t1) * (t1 - t0) >= 0.0 ? t1 : there;
  }

  // Where the next attempt ends: on the end of the solve if little more or less would be left.
  DEVICE double next_time(const Arguments &a) const {
    const double next = ADAPTIVE ? t + step : grid_time(a, (double)accepted + 1.0);
    return (t1 - next) / (next - t) <= 0.01 || !is_finite(next) ? t1 : next;
  }

  DEVICE double smallest_step(const Arguments &a) const {
    const double rounding = 16.0 * 2.220446049250313e-16;
    return fmax(a.smallest_step, rounding * fmax(fabs(t), 1e-8 * fabs(t1 - t0)));
  }

  // Whether the attempt that ended at `next` is accepted; sets the step of the next attempt.
  DEVICE bool judge(const Arguments &a, double next) {
    if (!ADAPTIVE) return true;
    const double smallest_ratio = 1e-10, size = next - t;
    const bool accept = ratio <= 1.0, shrinks = a.next_step != 0.0;
    const double floor = accept && !shrinks ? 1.0 : a.smallest_factor;
    const double ceiling = shrinks && retrying ? 1.0 : a.largest_factor;
    double factor = 0.0;
    if (is_finite(ratio)) {
      const double exponent = 1.0 / (ERROR_ORDER + 1.0), bounded = fmax(ratio, smallest_ratio);
      factor = a.safety * pow(bounded, -(a.integral + a.proportional + a.derivative) * exponent) *
               pow(previous, (a.proportional + 2.0 * a.derivative) * exponent) * pow(before, -a.derivative * exponent);
      if (accept && a.next_step == 2.0 && is_finite(last)) {
        const double growth = fmax(ratio, 1e-2) / fmax(previous, 1e-2);
        factor *= fmin(size / last * pow(growth, -exponent), 1.0);
      }
    }
    const double then = size * fmin(fmax(factor, floor), ceiling);
    if (accept) {
      last = size;
      before = previous;
      previous = fmax(ratio, smallest_ratio);
      // A step cut short by the end says nothing against the longer one that was planned.
      const bool cut = fabs(size) < 0.999 * fabs(step), shorter = fabs(then) <= fabs(step);
      if (!(shorter && (cut || !shrinks))) step = then;
    } else {
      step = fabs(then) < fabs(size) ? then : size * fmin(a.safety, 0.9);
    }
    step = copysign(fmin(fabs(step), a.largest_step), size);
    retrying = !accept;
    return accept;
  }
};

// The root mean square of a tile's scaled numbers, of `number(index)` measured by `size(index)`.
template <class Number, class Size>
DEVICE double scaled_norm(const Space &space, const Arguments &a, const Rows &rows, const Number &number,
                          const Size &size) {
  double sum = 0.0;
  for (int index = space.thread; index < rows.count * COLUMNS; index += THREADS) {
    const double scaled = (double)number(index) / (a.atol + a.rtol * (double)size(index));
    sum += scaled * scaled;
  }
  return sqrt(block_sum(space, sum) / (rows.count * COLUMNS));
}

// Sets the input of the network to the state at `from` plus a step along the slopes that a row of weights combines.
SEPARATE void stage_input(const Space &space, const double *weights, int stages, double h) {
  for (int index = space.thread; index < ROWS * STATE; index += THREADS) {
    const int at = index / STATE * COLUMNS + index % STATE;
    Real sum = space.state()[at];
    for (int j = 0; j < stages; j++)
      if (weights[j] != 0.0) sum = multiply_add((Real)(h * weights[j]), space.slope(j)[at], sum);
    space.input()[index] = sum;
  }
  barrier();
}

// The size of the first step (Hairer, Norsett, Wanner I, II.4, algorithm 4.14).
SEPARATE double select_first_step(const Space &space, const Arguments &a, const Rows &rows, Walk &walk) {
  const double span = fabs(walk.t1 - walk.t0);
  const Real *y = space.state(), *slope = space.slope(0), *ahead = space.slope(1);
  const auto size = [&](int i) { return magnitude(y[i]); };
  const double d0 = scaled_norm(space, a, rows, [&](int i) { return y[i]; }, size);
  const double d1 = scaled_norm(space, a, rows, [&](int i) { return slope[i]; }, size);
  double h0 = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1;
  h0 = h0 > 0.0 && is_finite(h0) ? fmin(h0, span) : fmin(1e-6, span);
  const double along = copysign(h0, walk.t1 - walk.t0), one[1] = {1.0};
  stage_input(space, one, 1, along);
  derivative<false>(space, a, walk.t0 + along, space.slope(1));
  walk.evaluations++;
  const double d2 = scaled_norm(space, a, rows, [&](int i) { return ahead[i] - slope[i]; }, size) / h0;
  const double steepest = fmax(d1, d2);
  const double h1 = steepest <= 1e-15 ? fmax(1e-6, h0 * 1e-3) : pow(0.01 / steepest, 1.0 / (ERROR_ORDER + 1.0));
  const double h = fmin(fmin(h1, 100.0 * h0), span);
  return h > 0.0 ? h : h0;
}

// How many of a tile's numbers are not finite.
DEVICE double count_not_finite(const Space &space, const Rows &rows, const Real *numbers) {
  double count = 0.0;
  for (int index = space.thread; index < rows.count * COLUMNS; index += THREADS)
    if (!is_finite((double)numbers[index])) count += 1.0;
  return block_sum(space, count);
}

// The error of an attempt relative to the tolerance; infinite where it is not a number.
SEPARATE double error_ratio(const Space &space, const Arguments &a, const Rows &rows, double h) {
  const Real *y0 = space.state(), *y1 = space.candidate();
  const auto estimate = [&](const double *weights) {
    return [&space, weights, h](int i) {
      Real sum = Real(0);
      for (int j = 0; j < STAGES; j++)
        if (weights[j] != 0.0) sum = multiply_add((Real)(h * weights[j]), space.slope(j)[i], sum);
      return sum;
    };
  };
  const auto size = [&](int i) { return magnitude(y0[i]) > magnitude(y1[i]) ? magnitude(y0[i]) : magnitude(y1[i]); };
  double ratio = scaled_norm(space, a, rows, estimate(ERROR_WEIGHTS), size);
  if constexpr (DAMPED) {
    const double coarse = scaled_norm(space, a, rows, estimate(COARSE_WEIGHTS), size), square = ratio * ratio;
    if (square > 0.0) ratio = sqrt(square * (square / (square + 0.01 * coarse * coarse)));
  }
  // The estimate may be finite where the solution is not.
  if (count_not_finite(space, rows, y1) > 0.0) return infinity();
  return is_finite(ratio) ? ratio : infinity();
}

SEPARATE void solve_tile(const Space &space, const Arguments &a, long long tile) {
  const Rows rows = rows_of(a, tile);
  Real *y = space.state(), *candidate = space.candidate();
  Walk walk;
  walk.t = walk.t0 = a.t0;
  walk.t1 = a.t1;
  load_constants(space, a, rows);
  for (int index = space.thread; index < ROWS * COLUMNS; index += THREADS) {
    const int row = index / COLUMNS, column = index % COLUMNS;
    y[index] = row < rows.count && column < STATE ? a.start[(rows.first + row) * STATE + column] : Real(0);
  }
  barrier();
  double *times = a.times + tile * (a.capacity + 1);
  if (space.thread == 0) times[0] = walk.t0;

  const double none[1] = {0.0};
  bool has_slope = false;
  if (walk.t0 != walk.t1) {
    stage_input(space, none, 0, 0.0);
    derivative<false>(space, a, walk.t0, space.slope(0));
    walk.evaluations++;
    has_slope = true;
    if (count_not_finite(space, rows, space.slope(0)) > 0.0) walk.status = NOT_FINITE;
    else if (ADAPTIVE) {
      const double first = a.first_step > 0.0 ? a.first_step : select_first_step(space, a, rows, walk);
      walk.step = copysign(fmin(fmax(first, a.smallest_step), a.largest_step), walk.t1 - walk.t0);
    }
  }
  while (walk.t != walk.t1 && walk.status == COMPLETE) {
    if ((double)(walk.accepted + walk.rejected) >= a.max_steps) {
      walk.status = TOO_MANY_STEPS;
      continue;
    }
    const double next = walk.next_time(a), h = next - walk.t;
    walk.tried = h;
    if (!((walk.t1 - walk.t) * h > 0.0)) {
      walk.status = STEP_TOO_SMALL;
      continue;
    }
    Real *kept = a.inputs + (tile * a.capacity + walk.accepted) * (USED_STAGES * ROWS * STATE);
    const bool keeps = walk.accepted < a.capacity;
    ONE_AT_A_TIME for (int stage = 0; stage < STAGES; stage++) {
      if (stage > 0 || !has_slope || keeps) stage_input(space, STAGE_WEIGHTS[stage], stage, h);
      if (keeps && stage < USED_STAGES)
        for (int index = space.thread; index < ROWS * STATE; index += THREADS)
          kept[stage * ROWS * STATE + index] = space.input()[index];
      if (stage > 0 || !has_slope) {
        derivative<false>(space, a, stage_time(stage, walk.t, next), space.slope(stage));
        walk.evaluations++;
      }
      barrier();
    }
    has_slope = true;
    for (int index = space.thread; index < ROWS * COLUMNS; index += THREADS) {
      Real sum = y[index];
      for (int j = 0; j < STAGES; j++)
        if (SOLUTION_WEIGHTS[j] != 0.0)
          sum = multiply_add((Real)(h * SOLUTION_WEIGHTS[j]), space.slope(j)[index], sum);
      candidate[index] = sum;
    }
    barrier();
    if constexpr (ADAPTIVE) walk.ratio = error_ratio(space, a, rows, h);
    else if (count_not_finite(space, rows, candidate) > 0.0) {
      walk.status = NOT_FINITE;
      continue;
    }
    if (walk.judge(a, next)) {
      for (int index = space.thread; index < ROWS * COLUMNS; index += THREADS) {
        y[index] = candidate[index];
        if (FIRST_SAME_AS_LAST) space.slope(0)[index] = space.slope(STAGES - 1)[index];
      }
      has_slope = FIRST_SAME_AS_LAST;
      walk.accepted++;
      walk.t = next;
      if (space.thread == 0 && keeps) times[walk.accepted] = next;
      barrier();
    } else {
      walk.rejected++;
      if (fabs(walk.next_time(a) - walk.t) < walk.smallest_step(a))
        walk.status = is_finite(walk.ratio) ? STEP_TOO_SMALL : NOT_FINITE;
    }
  }
  for (int index = space.thread; index < rows.count * COLUMNS; index += THREADS)
    a.result[rows.first * COLUMNS + index] = y[index];
  if (space.thread == 0) {
    double *report = a.reports + tile * REPORT;
    report[ACCEPTED] = (double)walk.accepted;
    report[REJECTED] = (double)walk.rejected;
    report[EVALUATIONS] = (double)walk.evaluations;
    report[STATUS] = (double)walk.status;
    report[REACHED] = walk.t;
    report[TRIED] = walk.tried;
    report[RATIO] = walk.ratio;
  }
  barrier();
}

KERNEL(forward) {
  const Space space(arguments.scratch);
  pack_constant<0, false>(space, arguments.parameters);
  barrier();
  for (long long tile = block_index(); tile < arguments.tiles; tile += block_count()) solve_tile(space, arguments, tile);
}
