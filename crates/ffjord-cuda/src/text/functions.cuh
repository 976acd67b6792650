// The nonlinearities with their first two derivatives, and the logistic function of gates.

DEVICE Real logistic(Real x) {
  // e^(-|x|) does not overflow.
  const Real u = exponential(-magnitude(x)), lower = u / (Real(1) + u);
  return x >= Real(0) ? Real(1) / (Real(1) + u) : lower;
}

struct Slopes {
  Real value, first, second;
  // Derivatives of value and first with respect to the coefficient.
  Real value_by_coefficient, first_by_coefficient;
};

// phi(x) with its derivatives; `coefficient` is that of swish.
DEVICE Slopes nonlinearity(Real x, Real coefficient) {
  Slopes s = {x, Real(1), Real(0), Real(0), Real(0)};
  if constexpr (ACTIVATION == TANH) {
    s.value = hyperbolic_tangent(x);
    s.first = multiply_add(-s.value, s.value, Real(1));
    s.second = Real(-2) * s.value * s.first;
  } else if constexpr (ACTIVATION == RELU) {
    // Not a number stays one.
    s.value = x <= Real(0) ? Real(0) : x;
    s.first = x > Real(0) ? Real(1) : (x <= Real(0) ? Real(0) : x);
  } else if constexpr (ACTIVATION == SOFTPLUS) {
    s.value = (x > Real(0) ? x : Real(0)) + logarithm_of_one_and(exponential(-magnitude(x)));
    if (x != x) s.value = x;
    s.first = logistic(x);
    s.second = s.first * logistic(-x);
  } else if constexpr (ACTIVATION == ELU) {
    const bool positive = x > Real(0);
    s.value = positive ? x : exponential_less_one(x);
    s.first = positive ? Real(1) : exponential(x);
    s.second = positive ? Real(0) : s.first;
  } else if constexpr (ACTIVATION == SWISH) {
    const Real bx = coefficient * x, sigma = logistic(bx), slope = sigma * logistic(-bx);
    // Where the slope has vanished its product with an infinite argument is no NaN.
    const Real turn = slope == Real(0) ? Real(0) : bx * (Real(1) - Real(2) * sigma);
    const Real pull = slope == Real(0) ? Real(0) : bx * slope;
    s.value = x * sigma;
    s.first = sigma + pull;
    s.second = coefficient * slope * (Real(2) + turn);
    s.value_by_coefficient = slope == Real(0) ? Real(0) : x * x * slope;
    s.first_by_coefficient = slope == Real(0) ? Real(0) : x * slope * (Real(2) + turn);
  } else if constexpr (ACTIVATION == SQUARE) {
    s.value = x * x;
    s.first = x + x;
    s.second = Real(2);
  }
  return s;
}
