// The flow's equation d/dt [z, ln det, integrals] on a tile, and the cotangents of what it is made of.

// Where the last layer's outputs of a stacked row begin.
constexpr int OUTPUT_STRIDE = (STATE + 3) / 4 * 4 + 4;

template <int INTEGRAL> DEVICE Real integrand_part(const Space &space, const Real *output, int row, int lane) {
  Real sum = Real(0);
  if constexpr (INTEGRAL == KINETIC || INTEGRAL == L1 || INTEGRAL == L2) {
    for (int column = lane; column < STATE; column += LANES) {
      const Real f = output[row * OUTPUT_STRIDE + column];
      sum += INTEGRAL == L1 ? magnitude(f) : f * f;
    }
  } else {
    for (int index = lane; index < PROBES * STATE; index += LANES) {
      const int probe = index / STATE, column = index % STATE;
      if (INTEGRAL == DIAGONAL && probe != column) continue;
      if (INTEGRAL == OFF_DIAGONAL && probe == column) continue;
      const Real u = output[(ROWS * (1 + probe) + row) * OUTPUT_STRIDE + column];
      sum += u * u;
    }
  }
  return sum;
}

template <int INTEGRAL> DEVICE constexpr bool is_norm() {
  return INTEGRAL == L2 || INTEGRAL == FROBENIUS || INTEGRAL == DIAGONAL || INTEGRAL == OFF_DIAGONAL;
}

template <int INDEX> DEVICE void integrands(const Space &space, const Real *output, Real weight, Real *slope) {
  if constexpr (INDEX < INTEGRALS) {
    constexpr int INTEGRAL = INTEGRAL_KINDS[INDEX];
    sum_rows(space, [&](int row, int lane) { return integrand_part<INTEGRAL>(space, output, row, lane); });
    for (int row = space.thread; row < ROWS; row += THREADS) {
      Real sum = space.row_sums()[row];
      if (INTEGRAL == JACOBIAN) sum *= weight;
      if (is_norm<INTEGRAL>()) sum = root(sum);
      slope[row * COLUMNS + STATE + 1 + INDEX] = sum;
    }
    integrands<INDEX + 1>(space, output, weight, slope);
  }
}

// The derivative of every column at time t and at input(), [ROWS][COLUMNS]. Ends with a barrier.
template <bool RECORD> SEPARATE Real *derivative(const Space &space, const Arguments &arguments, double t, Real *slope) {
  Real *output = evaluate<RECORD>(space, arguments.parameters, t);
  for (int index = space.thread; index < ROWS * STATE; index += THREADS) {
    const int row = index / STATE, column = index % STATE;
    slope[row * COLUMNS + column] = output[row * OUTPUT_STRIDE + column];
  }
  if constexpr (PROBES > 0) {
    const Real weight = (Real)arguments.weight;
    sum_rows(space, [&](int row, int lane) {
      Real sum = Real(0);
      if constexpr (UNIT_PROBES) {
        for (int column = lane; column < STATE; column += LANES)
          sum += output[(ROWS * (1 + column) + row) * OUTPUT_STRIDE + column];
      } else {
        for (int index = lane; index < PROBES * STATE; index += LANES) {
          const int probe = index / STATE, column = index % STATE;
          sum = multiply_add(space.probe(probe, row, column),
                             output[(ROWS * (1 + probe) + row) * OUTPUT_STRIDE + column], sum);
        }
      }
      return sum;
    });
    for (int row = space.thread; row < ROWS; row += THREADS)
      slope[row * COLUMNS + STATE] = weight * space.row_sums()[row];
    integrands<0>(space, output, weight, slope);
  }
  barrier();
  return output;
}

template <int INDEX>
DEVICE void integrand_cotangents(const Space &space, const Real *output, Real weight, const Real *slope,
                                 const Real *by, Real *cotangent) {
  if constexpr (INDEX < INTEGRALS) {
    constexpr int INTEGRAL = INTEGRAL_KINDS[INDEX];
    constexpr bool OF_VALUE = INTEGRAL == KINETIC || INTEGRAL == L1 || INTEGRAL == L2;
    constexpr int FIRST = OF_VALUE ? 0 : ROWS, END = OF_VALUE ? ROWS : STACKED;
    for (int index = space.thread; index < (END - FIRST) * STATE; index += THREADS) {
      const int stacked = FIRST + index / STATE, column = index % STATE, row = stacked % ROWS;
      const int probe = stacked / ROWS - 1, at = stacked * OUTPUT_STRIDE + column;
      if (INTEGRAL == DIAGONAL && probe != column) continue;
      if (INTEGRAL == OFF_DIAGONAL && probe == column) continue;
      const Real entry = output[at], of_row = by[row * COLUMNS + STATE + 1 + INDEX];
      Real factor = of_row;
      if (INTEGRAL == KINETIC) factor *= Real(2) * entry;
      else if (INTEGRAL == JACOBIAN) factor *= Real(2) * weight * entry;
      else if (INTEGRAL == L1) factor *= entry > Real(0) ? Real(1) : (entry < Real(0) ? Real(-1) : entry);
      else {
        const Real norm = slope[row * COLUMNS + STATE + 1 + INDEX];
        factor *= norm == Real(0) ? Real(0) : entry / norm;
      }
      cotangent[at] += factor;
    }
    barrier();
    integrand_cotangents<INDEX + 1>(space, output, weight, slope, by, cotangent);
  }
}

// The cotangents of values and products that belong to the cotangent `by` of the whole derivative. Ends with a barrier.
DEVICE void output_cotangents(const Space &space, const Real *output, Real weight, const Real *slope, const Real *by,
                              Real *cotangent) {
  for (int index = space.thread; index < STACKED4 * STATE; index += THREADS) {
    const int stacked = index / STATE, column = index % STATE, row = stacked % ROWS;
    Real number = Real(0);
    if (stacked < ROWS) number = by[row * COLUMNS + column];
    else if (PROBES > 0 && stacked < STACKED)
      number = weight * by[row * COLUMNS + STATE] * space.probe(stacked / ROWS - 1, row, column);
    cotangent[stacked * OUTPUT_STRIDE + column] = number;
  }
  barrier();
  integrand_cotangents<0>(space, output, weight, slope, by, cotangent);
  if constexpr (MINUS_STATE) {
    for (int index = space.thread; index < ROWS * STATE; index += THREADS)
      space.value_cotangent()[index] = cotangent[index / STATE * OUTPUT_STRIDE + index % STATE];
    barrier();
  }
}
