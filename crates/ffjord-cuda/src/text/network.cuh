// The network on a tile's values and tangents, and the reverse of it.
//
// Rows are stacked: ROWS values, then ROWS tangents for every probe. Value and tangent rows pass through the same
// product; a nonlinearity then sees a value together with its tangents.

// Divisors where there may be nothing to divide.
constexpr int GIVEN_OR_ONE = GIVEN > 0 ? GIVEN : 1;

constexpr int STACKED = ROWS * (1 + PROBES), STACKED4 = (STACKED + 3) / 4 * 4, ROWS4 = (ROWS + 3) / 4 * 4;

// Where a block's arrays lie: those that fit are in shared memory, the others in a part of global memory of its own.
struct Space {
  Real *shared, *scratch;
  int thread;

  DEVICE Space(Real *all_scratch)
      : shared(reinterpret_cast<Real *>(shared_memory())),
        scratch(all_scratch + (size_t)block_index() * SCRATCH_LENGTH), thread(thread_index()) {}

  DEVICE Real *weights(int layer) const { return at(WEIGHTS_SHARED, WEIGHTS_AT) + PACKED_AT[layer]; }
  DEVICE Real *transposed(int layer) const { return at(TRANSPOSED_SHARED, TRANSPOSED_AT) + PACKED_AT[layer]; }
  DEVICE Real *gates(int layer) const { return at(COEFFICIENTS_SHARED, COEFFICIENTS_AT) + COEFFICIENT_AT[layer]; }
  DEVICE Real *biases(int layer) const { return gates(layer) + WIDTHS[layer + 1]; }
  DEVICE Real *hidden(int layer) const { return gates(layer) + 2 * WIDTHS[layer + 1]; }
  DEVICE Real *activations(int which) const {
    return at(ACTIVATIONS_SHARED, ACTIVATIONS_AT) + which * ACTIVATIONS_LENGTH;
  }
  DEVICE Real *tape(int layer) const { return at(TAPE_SHARED, TAPE_AT) + TAPED_AT[layer]; }
  DEVICE Real *gradient() const { return at(GRADIENT_SHARED, GRADIENT_AT); }
  DEVICE Real *probes() const { return at(PROBE_SHARED, PROBE_AT); }
  DEVICE Real *given() const { return at(GIVENS_SHARED, GIVENS_AT); }
  DEVICE Real *input() const { return at(INPUT_SHARED, INPUT_AT); }
  DEVICE Real *state() const { return at(STATES_SHARED, STATES_AT); }
  DEVICE Real *candidate() const { return state() + ROWS * COLUMNS; }
  DEVICE Real *slope(int stage) const { return at(SLOPES_SHARED, SLOPES_AT) + stage * ROWS * COLUMNS; }
  DEVICE Real *row_sums() const { return at(SUMS_SHARED, SUMS_AT); }
  DEVICE double *thread_sums() const { return reinterpret_cast<double *>(at(THREAD_SUMS_SHARED, THREAD_SUMS_AT)); }
  DEVICE Real *value_cotangent() const { return at(VALUE_COTANGENT_SHARED, VALUE_COTANGENT_AT); }

  DEVICE Real probe(int probe, int row, int column) const {
    if constexpr (UNIT_PROBES) return probe == column ? Real(1) : Real(0);
    return probes()[(probe * ROWS + row) * STATE + column];
  }

private:
  DEVICE Real *at(bool in_shared, int offset) const { return (in_shared ? shared : scratch) + offset; }
};

// The sum of every thread's number, the same for all threads: a tree over threads, so in a fixed order.
DEVICE double block_sum(const Space &space, double number) {
  double *sums = space.thread_sums();
  barrier();
  sums[space.thread] = number;
  barrier();
  for (int reach = THREADS / 2; reach > 0; reach /= 2) {
    if (space.thread < reach) sums[space.thread] += sums[space.thread + reach];
    barrier();
  }
  return sums[0];
}

// Sums over a row's numbers, LANES threads a row: `term(row, lane)` is a lane's part. Result in row_sums()[row].
constexpr int lanes() {
  int lanes = 1;
  while (2 * lanes * ROWS <= THREADS) lanes *= 2;
  return lanes;
}
constexpr int LANES = lanes();
template <class Term> DEVICE void sum_rows(const Space &space, const Term &term) {
  Real *parts = space.row_sums() + ROWS;
  barrier();
  for (int index = space.thread; index < ROWS * LANES; index += THREADS)
    parts[index] = term(index / LANES, index % LANES);
  barrier();
  for (int row = space.thread; row < ROWS; row += THREADS) {
    Real sum = parts[row * LANES];
    for (int lane = 1; lane < LANES; lane++) sum += parts[row * LANES + lane];
    space.row_sums()[row] = sum;
  }
  barrier();
}

// y[i][c] = sum over k of x[i][k] w[k][c]; rows, k and columns in fours. Each thread owns TALL x 4 entries at a time.
template <int HEIGHT, int INNER, int WIDTH, int X_STRIDE, int Y_STRIDE, int TALL>
DEVICE void product_in_tiles(const Real *x, const Real *w, Real *y, int thread) {
  constexpr int ACROSS = WIDTH / 4, TILES = HEIGHT / TALL * ACROSS;
  for (int tile = thread; tile < TILES; tile += THREADS) {
    const int row = tile / ACROSS * TALL, column = tile % ACROSS * 4;
    Real sums[TALL][4];
    for (int i = 0; i < TALL; i++)
      for (int c = 0; c < 4; c++) sums[i][c] = Real(0);
#pragma unroll 2
    for (int k = 0; k < INNER; k += 4) {
      Four by[4];
      for (int j = 0; j < 4; j++) by[j] = load_four(w + (k + j) * WIDTH + column);
      for (int i = 0; i < TALL; i++) {
        const Four of = load_four(x + (row + i) * X_STRIDE + k);
        for (int j = 0; j < 4; j++)
          for (int c = 0; c < 4; c++) sums[i][c] = multiply_add(of.at[j], by[j].at[c], sums[i][c]);
      }
    }
    for (int i = 0; i < TALL; i++) {
      Four four;
      for (int c = 0; c < 4; c++) four.at[c] = sums[i][c];
      store_four(y + (row + i) * Y_STRIDE + column, four);
    }
  }
}
template <int HEIGHT, int INNER, int WIDTH, int X_STRIDE, int Y_STRIDE>
DEVICE void product(const Real *x, const Real *w, Real *y, int thread) {
  // Smaller tiles where large ones would leave threads without work.
  constexpr int TILES = HEIGHT / 4 * (WIDTH / 4), TALL = TILES >= THREADS ? 4 : 2 * TILES >= THREADS ? 2 : 1;
  product_in_tiles<HEIGHT, INNER, WIDTH, X_STRIDE, Y_STRIDE, TALL>(x, w, y, thread);
}

// Writes the weights of a layer at time t, [IN4][OUT4] and, for the reverse pass, [OUT4][IN4], with zeros as padding.
template <int LAYER, bool REVERSE> DEVICE void pack(const Space &space, const Real *parameters, Real t) {
  typedef Layer<LAYER> L;
  const Real *p = L::of(parameters), *hidden = space.hidden(LAYER);
  Real *weights = space.weights(LAYER), *transposed = space.transposed(LAYER);
  for (int index = space.thread; index < L::IN4 * L::OUT4; index += THREADS) {
    const int output = index / L::IN4, input = index % L::IN4;
    const Real w = output < L::OUT && input < L::IN ? L::weight(p, output, input, t, hidden) : Real(0);
    weights[input * L::OUT4 + output] = w;
    if constexpr (REVERSE) transposed[output * L::IN4 + input] = w;
  }
}

// What of all layers stays the same through a solve.
template <int LAYER, bool REVERSE> DEVICE void pack_constant(const Space &space, const Real *parameters) {
  if constexpr (LAYER < LAYERS) {
    if constexpr (!is_generated(KINDS[LAYER])) pack<LAYER, REVERSE>(space, parameters, Real(0));
    pack_constant<LAYER + 1, REVERSE>(space, parameters);
  }
}

// Gates, biases and generated weights of all layers at time t. Ends with a barrier.
template <int LAYER> DEVICE void hidden_units(const Space &space, const Real *parameters, Real t) {
  if constexpr (LAYER < LAYERS) {
    typedef Layer<LAYER> L;
    if constexpr (L::KIND == HYPER)
      for (int unit = space.thread; unit < HYPER_UNITS; unit += THREADS)
        space.hidden(LAYER)[unit] = L::hidden_unit(L::of(parameters), unit, t);
    hidden_units<LAYER + 1>(space, parameters, t);
  }
}
template <int LAYER, bool REVERSE> DEVICE void coefficients_of(const Space &space, const Real *parameters, Real t) {
  if constexpr (LAYER < LAYERS) {
    typedef Layer<LAYER> L;
    const Real *p = L::of(parameters);
    for (int output = space.thread; output < L::OUT; output += THREADS) {
      const Real gate = L::gate(p, output, t);
      space.gates(LAYER)[output] = gate;
      space.biases(LAYER)[output] = L::bias(p, output, t, gate, space.hidden(LAYER));
    }
    if constexpr (is_generated(L::KIND)) pack<LAYER, REVERSE>(space, parameters, t);
    coefficients_of<LAYER + 1, REVERSE>(space, parameters, t);
  }
}
template <bool REVERSE> DEVICE void coefficients(const Space &space, const Real *parameters, Real t) {
  if constexpr (ANY_HYPER) {
    hidden_units<0>(space, parameters, t);
    barrier();
  }
  coefficients_of<0, REVERSE>(space, parameters, t);
  barrier();
}

// The stacked rows that enter the network: (z, given) and (probe, 0), with zeros as padding.
DEVICE void load_input(const Space &space, Real *x) {
  typedef Layer<0> L;
  for (int index = space.thread; index < STACKED4 * L::IN4; index += THREADS) {
    const int stacked = index / L::IN4, column = index % L::IN4, row = stacked % ROWS;
    Real number = Real(0);
    if (stacked < ROWS) {
      if (column < STATE) number = space.input()[row * STATE + column];
      else if (column < STATE + GIVEN) number = space.given()[row * GIVEN + column - STATE];
    } else if (stacked < STACKED && column < STATE) {
      number = space.probe(stacked / ROWS - 1, row, column);
    }
    x[stacked * L::IN_STRIDE + column] = number;
  }
}

// From products W x to what the next layer sees.
template <int LAYER> DEVICE void finish_layer(const Space &space, const Real *products, Real *x, Real coefficient) {
  typedef Layer<LAYER> L;
  constexpr bool LAST = LAYER == LAYERS - 1;
  constexpr int S = L::OUT_STRIDE;
  for (int index = space.thread; index < ROWS * L::OUT4; index += THREADS) {
    const int row = index / L::OUT4, output = index % L::OUT4;
    const bool padding = output >= L::OUT;
    const Real gate = padding ? Real(0) : space.gates(LAYER)[output];
    Real y = padding ? Real(0) : multiply_add(gate, products[row * S + output], space.biases(LAYER)[output]);
    Real slope = gate;
    if constexpr (LAST) {
      if (MINUS_STATE && !padding) y -= space.input()[row * STATE + output];
    } else {
      const Slopes s = nonlinearity(y, coefficient);
      y = padding ? Real(0) : s.value;
      slope = padding ? Real(0) : s.first * gate;
    }
    x[row * S + output] = y;
#pragma unroll 2
    for (int probe = 0; probe < PROBES; probe++) {
      const int at = (ROWS * (1 + probe) + row) * S + output;
      Real u = padding ? Real(0) : slope * products[at];
      if (LAST && MINUS_STATE && !padding) u -= space.probe(probe, row, output);
      x[at] = u;
    }
  }
  for (int index = space.thread; index < (STACKED4 - STACKED) * L::OUT4; index += THREADS)
    x[(STACKED + index / L::OUT4) * S + index % L::OUT4] = Real(0);
}

template <int LAYER, bool RECORD>
DEVICE Real *run_layers(const Space &space, Real *x, Real *other, Real coefficient) {
  if constexpr (LAYER == LAYERS) {
    return x;
  } else {
    typedef Layer<LAYER> L;
    Real *products = RECORD ? space.tape(LAYER) : other;
    product<STACKED4, L::IN4, L::OUT4, L::IN_STRIDE, L::OUT_STRIDE>(x, space.weights(LAYER), products, space.thread);
    barrier();
    finish_layer<LAYER>(space, products, x, coefficient);
    barrier();
    return run_layers<LAYER + 1, RECORD>(space, x, other, coefficient);
  }
}

DEVICE Real activation_coefficient(const Real *parameters) {
  return ACTIVATION == SWISH ? parameters[PARAMETERS - 1] : Real(0);
}

// f and the products with the probes at time t and at input(), [STACKED][OUT_STRIDE of the last layer].
template <bool RECORD> DEVICE Real *evaluate(const Space &space, const Real *parameters, double t) {
  coefficients<RECORD>(space, parameters, (Real)t);
  load_input(space, space.activations(0));
  barrier();
  return run_layers<0, RECORD>(space, space.activations(0), space.activations(1), activation_coefficient(parameters));
}

// What a thread has summed for itself in reverse passes.
struct Own {
  // Of the time of the present evaluation.
  Real time = Real(0);
  // Of the coefficient of swish.
  Real coefficient = Real(0);
  // Of the first layers of networks of time.
  Real hyper[ANY_HYPER ? LAYERS : 1][2 * HYPER_UNITS] = {};
};

// Gradients of a layer's bias and gate; scales the cotangent by the gate, which then is that of W x.
template <int LAYER>
DEVICE void reverse_columns(const Space &space, const Real *parameters, Real t, Real *cotangent, Own &own,
                            Real *of_hidden) {
  typedef Layer<LAYER> L;
  constexpr int S = L::OUT_STRIDE;
  const Real *p = L::of(parameters), *products = space.tape(LAYER);
  for (int output = space.thread; output < L::OUT4; output += THREADS) {
    if (output >= L::OUT) {
      for (int i = 0; i < STACKED4; i++) cotangent[i * S + output] = Real(0);
      continue;
    }
    Real of_bias = Real(0), of_gate = Real(0);
#pragma unroll 4
    for (int row = 0; row < ROWS; row++) of_bias += cotangent[row * S + output];
    const Real gate = space.gates(LAYER)[output];
    if constexpr (is_gated(L::KIND)) {
#pragma unroll 4
      for (int i = 0; i < STACKED; i++) {
        const Real by = cotangent[i * S + output];
        of_gate = multiply_add(by, products[i * S + output], of_gate);
        cotangent[i * S + output] = by * gate;
      }
    }
    own.time += L::pull_back_column(p, L::of(space.gradient()), output, t, gate, of_bias, of_gate,
                                    space.hidden(LAYER), of_hidden);
  }
}

// What the layer saw: computed again from the products of the layer before.
template <int LAYER> DEVICE void layer_input(const Space &space, Real *x, Real coefficient) {
  if constexpr (LAYER == 0) {
    load_input(space, x);
  } else {
    finish_layer<LAYER - 1>(space, space.tape(LAYER - 1), x, coefficient);
  }
}

// Adds the sum over rows of cotangent x to the gradient of the weights. Each thread owns 4 x 4 entries at a time.
template <int LAYER>
DEVICE void reverse_weights(const Space &space, const Real *parameters, Real t, const Real *cotangent, const Real *x,
                            Own &own, Real *of_hidden) {
  typedef Layer<LAYER> L;
  constexpr int ACROSS = L::IN4 / 4, TILES = L::OUT4 / 4 * ACROSS;
  for (int tile = space.thread; tile < TILES; tile += THREADS) {
    const int output = tile / ACROSS * 4, input = tile % ACROSS * 4;
    Real sums[4][4];
    for (int o = 0; o < 4; o++)
      for (int i = 0; i < 4; i++) sums[o][i] = Real(0);
#pragma unroll 4
    for (int row = 0; row < STACKED; row++) {
      const Four by = load_four(cotangent + row * L::OUT_STRIDE + output);
      const Four of = load_four(x + row * L::IN_STRIDE + input);
      for (int o = 0; o < 4; o++)
        for (int i = 0; i < 4; i++) sums[o][i] = multiply_add(by.at[o], of.at[i], sums[o][i]);
    }
    for (int o = 0; o < 4; o++)
      for (int i = 0; i < 4; i++)
        if (output + o < L::OUT && input + i < L::IN)
          own.time += L::pull_back_weight(L::of(parameters), L::of(space.gradient()), output + o, input + i, t,
                                          sums[o][i], space.hidden(LAYER), of_hidden);
  }
}

// From the cotangent of a layer's inputs to that of the outputs of the layer before, through the nonlinearity.
template <int LAYER> DEVICE void reverse_nonlinearity(const Space &space, Real *cotangent, Real coefficient, Own &own) {
  typedef Layer<LAYER - 1> L;
  constexpr int S = L::OUT_STRIDE;
  const Real *products = space.tape(LAYER - 1);
  for (int index = space.thread; index < ROWS * L::OUT; index += THREADS) {
    const int row = index / L::OUT, output = index % L::OUT;
    const Real gate = space.gates(LAYER - 1)[output];
    const Real y = multiply_add(gate, products[row * S + output], space.biases(LAYER - 1)[output]);
    const Slopes s = nonlinearity(y, coefficient);
    const Real by = cotangent[row * S + output];
    Real of_value = s.first * by;
    own.coefficient = multiply_add(s.value_by_coefficient, by, own.coefficient);
#pragma unroll 2
    for (int probe = 0; probe < PROBES; probe++) {
      const int at = (ROWS * (1 + probe) + row) * S + output;
      const Real turn = gate * products[at] * cotangent[at];
      of_value = multiply_add(s.second, turn, of_value);
      own.coefficient = multiply_add(s.first_by_coefficient, turn, own.coefficient);
      cotangent[at] *= s.first;
    }
    cotangent[row * S + output] = of_value;
  }
}

// Takes the cotangent of a layer's outputs back; returns that of the network's inputs, [ROWS][IN_STRIDE of layer 0].
template <int LAYER>
DEVICE Real *reverse_layers(const Space &space, const Real *parameters, Real t, Real *cotangent, Real *x, Real *result,
                            Real coefficient, Own &own) {
  typedef Layer<LAYER> L;
  Real of_hidden[HYPER_UNITS] = {};
  reverse_columns<LAYER>(space, parameters, t, cotangent, own, of_hidden);
  layer_input<LAYER>(space, x, coefficient);
  barrier();
  reverse_weights<LAYER>(space, parameters, t, cotangent, x, own, of_hidden);
  if constexpr (L::KIND == HYPER) {
    for (int unit = 0; unit < HYPER_UNITS; unit++) {
      const Real hidden = space.hidden(LAYER)[unit];
      const Real of_argument = of_hidden[unit] * (Real(1) - hidden * hidden);
      own.hyper[LAYER][unit] += t * of_argument;
      own.hyper[LAYER][HYPER_UNITS + unit] += of_argument;
      own.time += L::of(parameters)[unit] * of_argument;
    }
  }
  // Tangents at the network's input are constants.
  constexpr int HEIGHT = LAYER == 0 ? ROWS4 : STACKED4;
  product<HEIGHT, L::OUT4, L::IN4, L::OUT_STRIDE, L::IN_STRIDE>(cotangent, space.transposed(LAYER), result,
                                                               space.thread);
  barrier();
  if constexpr (LAYER == 0) {
    return result;
  } else {
    reverse_nonlinearity<LAYER>(space, result, coefficient, own);
    barrier();
    return reverse_layers<LAYER - 1>(space, parameters, t, result, x, cotangent, coefficient, own);
  }
}

// Adds what the threads have summed for themselves to the gradient.
DEVICE void collect_own(const Space &space, const Own &own) {
  if constexpr (ACTIVATION == SWISH) {
    const double sum = block_sum(space, own.coefficient);
    if (space.thread == 0) space.gradient()[PARAMETERS - 1] += (Real)sum;
  }
  if constexpr (ANY_HYPER) {
    for (int layer = 0; layer < LAYERS; layer++) {
      if (KINDS[layer] != HYPER) continue;
      for (int unit = 0; unit < 2 * HYPER_UNITS; unit++) {
        const double sum = block_sum(space, own.hyper[layer][unit]);
        if (space.thread == 0) space.gradient()[PARAMETERS_AT[layer] + unit] += (Real)sum;
      }
    }
  }
}
