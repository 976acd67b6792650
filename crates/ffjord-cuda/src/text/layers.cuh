// How each layer depends on time. At a fixed time it is y = gate * (W x) + bias.
//
// The parameters of a layer lie as those of the original's state dictionaries, at PARAMETERS_AT[layer] of the flat
// array, and so do their gradients.

constexpr DEVICE bool is_gated(int kind) { return kind == SQUASH || kind == CONCAT_SQUASH; }
constexpr DEVICE bool is_generated(int kind) { return kind == BLEND || kind == HYPER; }

// Hidden units of the network of time that generates a layer's weights.
constexpr int HYPER_UNITS = 8;

template <int LAYER> struct Layer {
  static constexpr int KIND = KINDS[LAYER], IN = WIDTHS[LAYER], OUT = WIDTHS[LAYER + 1];
  static constexpr int IN4 = (IN + 3) / 4 * 4, OUT4 = (OUT + 3) / 4 * 4;
  // Distance between rows of activations: four numbers more than a multiple of the banks' width.
  static constexpr int IN_STRIDE = IN4 + 4, OUT_STRIDE = OUT4 + 4;
  static constexpr int WEIGHTS = IN * OUT;
  // The first column of a weight among those of time and the inputs, and the distance of its rows.
  static constexpr int FIRST = KIND == CONCAT ? 1 : 0, STRIDE = IN + FIRST;
  static constexpr int BIAS = KIND == HYPER ? 0 : OUT * STRIDE;
  static constexpr int AFTER_BIAS = BIAS + OUT;

  static DEVICE const Real *of(const Real *parameters) { return parameters + PARAMETERS_AT[LAYER]; }
  static DEVICE Real *of(Real *gradient) { return gradient + PARAMETERS_AT[LAYER]; }

  // Entry (output, input) of the weight at time t; `hidden` are the units of the network of time.
  static DEVICE Real weight(const Real *p, int output, int input, Real t, const Real *hidden) {
    if constexpr (KIND == BLEND) {
      const Real first = p[output * IN + input], second = p[AFTER_BIAS + output * IN + input];
      return first + (second - first) * t;
    } else if constexpr (KIND == HYPER) {
      return generated(p, OUT + output * IN + input, hidden);
    } else {
      return p[output * STRIDE + FIRST + input];
    }
  }

  static DEVICE Real gate(const Real *p, int output, Real t) {
    if constexpr (KIND == SQUASH) return logistic(p[AFTER_BIAS + output] * t + p[AFTER_BIAS + OUT + output]);
    if constexpr (KIND == CONCAT_SQUASH)
      return logistic(p[AFTER_BIAS + OUT + output] * t + p[AFTER_BIAS + 2 * OUT + output]);
    return Real(1);
  }

  static DEVICE Real bias(const Real *p, int output, Real t, Real gate, const Real *hidden) {
    if constexpr (KIND == CONCAT) return p[BIAS + output] + p[output * STRIDE] * t;
    if constexpr (KIND == CONCAT_V2) return p[BIAS + output] + p[AFTER_BIAS + output] * t;
    if constexpr (KIND == SQUASH) return p[BIAS + output] * gate;
    if constexpr (KIND == CONCAT_SQUASH) return p[BIAS + output] * gate + p[AFTER_BIAS + output] * t;
    if constexpr (KIND == BLEND) {
      const Real first = p[BIAS + output], second = p[AFTER_BIAS + BIAS + output];
      return first + (second - first) * t;
    }
    if constexpr (KIND == HYPER) return generated(p, output, hidden);
    return p[BIAS + output];
  }

  // Output `index` of the network of time.
  static DEVICE Real generated(const Real *p, int index, const Real *hidden) {
    const Real *row = p + 2 * HYPER_UNITS + index * HYPER_UNITS;
    Real sum = p[2 * HYPER_UNITS + (WEIGHTS + OUT) * HYPER_UNITS + index];
    for (int unit = 0; unit < HYPER_UNITS; unit++) sum = multiply_add(row[unit], hidden[unit], sum);
    return sum;
  }

  static DEVICE Real hidden_unit(const Real *p, int unit, Real t) {
    return hyperbolic_tangent(p[unit] * t + p[HYPER_UNITS + unit]);
  }

  // Adds the gradients of one output's bias and gate to those of the parameters; returns that of time.
  // `of_hidden` collects the gradients of the units of the network of time.
  static DEVICE Real pull_back_column(const Real *p, Real *g, int output, Real t, Real gate, Real of_bias,
                                      Real of_gate, const Real *hidden, Real *of_hidden) {
    if constexpr (KIND == CONCAT) {
      g[BIAS + output] += of_bias;
      g[output * STRIDE] += t * of_bias;
      return p[output * STRIDE] * of_bias;
    } else if constexpr (KIND == CONCAT_V2) {
      g[BIAS + output] += of_bias;
      g[AFTER_BIAS + output] += t * of_bias;
      return p[AFTER_BIAS + output] * of_bias;
    } else if constexpr (is_gated(KIND)) {
      constexpr int GATE = KIND == SQUASH ? AFTER_BIAS : AFTER_BIAS + OUT;
      const Real of_argument = (of_gate + of_bias * p[BIAS + output]) * gate * (Real(1) - gate);
      g[BIAS + output] += gate * of_bias;
      g[GATE + output] += t * of_argument;
      g[GATE + OUT + output] += of_argument;
      Real of_time = p[GATE + output] * of_argument;
      if constexpr (KIND == CONCAT_SQUASH) {
        g[AFTER_BIAS + output] += t * of_bias;
        of_time += p[AFTER_BIAS + output] * of_bias;
      }
      return of_time;
    } else if constexpr (KIND == BLEND) {
      g[BIAS + output] += (Real(1) - t) * of_bias;
      g[AFTER_BIAS + BIAS + output] += t * of_bias;
      return (p[AFTER_BIAS + BIAS + output] - p[BIAS + output]) * of_bias;
    } else if constexpr (KIND == HYPER) {
      pull_back_generated(p, g, output, of_bias, hidden, of_hidden);
      return Real(0);
    } else {
      g[BIAS + output] += of_bias;
      return Real(0);
    }
  }

  // The same for one entry of the weight.
  static DEVICE Real pull_back_weight(const Real *p, Real *g, int output, int input, Real t, Real of_weight,
                                      const Real *hidden, Real *of_hidden) {
    if constexpr (KIND == BLEND) {
      const int at = output * IN + input;
      g[at] += (Real(1) - t) * of_weight;
      g[AFTER_BIAS + at] += t * of_weight;
      return (p[AFTER_BIAS + at] - p[at]) * of_weight;
    } else if constexpr (KIND == HYPER) {
      pull_back_generated(p, g, OUT + output * IN + input, of_weight, hidden, of_hidden);
      return Real(0);
    } else {
      g[output * STRIDE + FIRST + input] += of_weight;
      return Real(0);
    }
  }

  static DEVICE void pull_back_generated(const Real *p, Real *g, int index, Real by, const Real *hidden,
                                         Real *of_hidden) {
    constexpr int ROWS_AT = 2 * HYPER_UNITS, BIAS_AT = ROWS_AT + (WEIGHTS + OUT) * HYPER_UNITS;
    g[BIAS_AT + index] += by;
    for (int unit = 0; unit < HYPER_UNITS; unit++) {
      g[ROWS_AT + index * HYPER_UNITS + unit] += by * hidden[unit];
      of_hidden[unit] += by * p[ROWS_AT + index * HYPER_UNITS + unit];
    }
  }
};
