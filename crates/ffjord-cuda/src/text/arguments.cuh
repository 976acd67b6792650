// What a launch is told. The host has the same structure; every member takes eight bytes.

struct Arguments {
  const Real *parameters; // [PARAMETERS]
  const Real *start;      // [B][STATE]
  const Real *given;      // [B][GIVEN]
  const Real *probes;     // [PROBES][B][STATE], unless they are unit vectors
  Real *result;           // [B][COLUMNS]: state, log-determinant, integrals
  Real *scratch;          // [blocks][SCRATCH_LENGTH]
  Real *inputs;           // [tiles][capacity][USED_STAGES][ROWS][STATE]: the states at which stages were evaluated
  double *times;          // [tiles][capacity + 1]: ends of the accepted steps
  double *reports;        // [tiles][REPORT]
  const Real *cotangent;  // [B][COLUMNS]
  Real *of_start;         // [B][STATE]
  Real *of_given;         // [B][GIVEN]
  double *of_span;        // [tiles][2]: of the start and the end of time
  Real *partial;          // [blocks][PARAMETERS]: gradients of each block's tiles
  Real *gradient;         // [PARAMETERS]
  long long rows, tiles;
  long long capacity;     // accepted steps a tile that inputs and times have room for
  long long blocks;       // of the reverse pass, whose partial gradients are summed
  double t0, t1;
  double weight;          // of every probe's quadratic form
  double grid_steps, grid_size; // fixed steps: their number, or their size where the number is 0
  double rtol, atol;
  double integral, proportional, derivative; // gains
  double safety, smallest_factor, largest_factor;
  double next_step;       // 0 not shorter, 1 by the error, 2 predicted
  double first_step;      // 0: selected
  double smallest_step, largest_step;
  double max_steps;
};

// What a tile reports of its solve.
constexpr int ACCEPTED = 0, REJECTED = 1, EVALUATIONS = 2, STATUS = 3, REACHED = 4, TRIED = 5, RATIO = 6, REPORT = 8;
constexpr int COMPLETE = 0, TOO_MANY_STEPS = 1, STEP_TOO_SMALL = 2, NOT_FINITE = 3;
