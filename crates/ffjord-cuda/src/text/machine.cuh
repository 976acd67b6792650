// What the kernels need of the machine they run on: a GPU, or a C++ program that plays the threads of a block.
//
// Kernels are phases between barriers: no thread leaves early, and there are no warp instructions. A block's shared
// memory is one array, which the host divides.

#ifdef EMULATED
#include <cmath>
#include <cstdint>
#define DEVICE inline
#define SEPARATE static
#define ONE_AT_A_TIME
#define KERNEL(name) static void name##_thread(const Arguments &arguments)
struct Block {
  int thread, threads, block, blocks;
  double *shared;
};
extern thread_local Block EMULATED_BLOCK;
void emulated_barrier();
DEVICE int thread_index() { return EMULATED_BLOCK.thread; }
DEVICE int block_index() { return EMULATED_BLOCK.block; }
DEVICE int block_count() { return EMULATED_BLOCK.blocks; }
DEVICE double *shared_memory() { return EMULATED_BLOCK.shared; }
DEVICE void barrier() { emulated_barrier(); }
#else
#define DEVICE __device__ __forceinline__
// A function that is called often from few places: its text is there once.
#define SEPARATE static __device__ __noinline__
// A loop whose body is long.
#define ONE_AT_A_TIME _Pragma("unroll 1")
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(THREADS) name(const Arguments arguments)
extern __shared__ __align__(16) double SHARED_MEMORY[];
DEVICE int thread_index() { return (int)threadIdx.x; }
DEVICE int block_index() { return (int)blockIdx.x; }
DEVICE int block_count() { return (int)gridDim.x; }
DEVICE double *shared_memory() { return SHARED_MEMORY; }
DEVICE void barrier() { __syncthreads(); }
#endif

DEVICE float exponential(float x) { return expf(x); }
DEVICE double exponential(double x) { return exp(x); }
DEVICE float exponential_less_one(float x) { return expm1f(x); }
DEVICE double exponential_less_one(double x) { return expm1(x); }
DEVICE float logarithm_of_one_and(float x) { return log1pf(x); }
DEVICE double logarithm_of_one_and(double x) { return log1p(x); }
DEVICE float hyperbolic_tangent(float x) { return tanhf(x); }
DEVICE double hyperbolic_tangent(double x) { return tanh(x); }
DEVICE float root(float x) { return sqrtf(x); }
DEVICE double root(double x) { return sqrt(x); }
DEVICE float magnitude(float x) { return fabsf(x); }
DEVICE double magnitude(double x) { return fabs(x); }
DEVICE float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
DEVICE double multiply_add(double a, double b, double c) { return fma(a, b, c); }
DEVICE bool is_finite(double x) { return x - x == 0.0; }
// Written so that no compiler takes it for a mistake.
DEVICE double infinity() {
  const double large = 1e308;
  return large * 10.0;
}

// Four numbers side by side, loaded and stored as one or two words of 16 bytes.
struct alignas(16) Four {
  Real at[4];
};
DEVICE Four load_four(const Real *from) { return *reinterpret_cast<const Four *>(from); }
DEVICE void store_four(Real *to, const Four &four) { *reinterpret_cast<Four *>(to) = four; }

