// The threads of a block, one after the other from barrier to barrier. Appended to a kernel's text.

#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <vector>

thread_local Block EMULATED_BLOCK;

namespace {

typedef void (*Thread)(const Arguments &);

struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  bool finished;
};

thread_local ucontext_t SCHEDULER;
thread_local std::vector<Fiber> FIBERS;
thread_local Thread BODY;
thread_local const Arguments *ARGUMENTS;

void run_thread() {
  BODY(*ARGUMENTS);
  Fiber &fiber = FIBERS[EMULATED_BLOCK.thread];
  fiber.finished = true;
  swapcontext(&fiber.context, &SCHEDULER);
}

} // namespace

void emulated_barrier() { swapcontext(&FIBERS[EMULATED_BLOCK.thread].context, &SCHEDULER); }

// 0, or 1 if some threads ended where others waited.
static int run_block(int threads, bool backwards) {
  for (Fiber &fiber : FIBERS) {
    fiber.finished = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = fiber.stack.size();
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run_thread, 0);
  }
  for (int finished = 0; finished == 0;) {
    for (int i = 0; i < threads; i++) {
      EMULATED_BLOCK.thread = backwards ? threads - 1 - i : i;
      swapcontext(&SCHEDULER, &FIBERS[EMULATED_BLOCK.thread].context);
      finished += FIBERS[EMULATED_BLOCK.thread].finished;
    }
    if (finished != 0 && finished != threads) return 1;
  }
  return 0;
}

static int emulate(Thread body, const Arguments *arguments, int blocks, int threads, size_t shared_bytes, int backwards) {
  FIBERS.resize(threads);
  for (Fiber &fiber : FIBERS) fiber.stack.resize(512 << 10);
  BODY = body;
  ARGUMENTS = arguments;
  char *shared = static_cast<char *>(aligned_alloc(64, (shared_bytes + 127) / 64 * 64));
  int failure = 0;
  for (int i = 0; i < blocks && failure == 0; i++) {
    // What was never written is not a number.
    memset(shared, 0xff, shared_bytes + 64);
    EMULATED_BLOCK = Block{0, threads, backwards ? blocks - 1 - i : i, blocks, reinterpret_cast<double *>(shared)};
    failure = run_block(threads, backwards != 0);
  }
  free(shared);
  return failure;
}

#define EMULATE(name)                                                                                                  \
  extern "C" int emulate_##name(const Arguments *arguments, int blocks, int threads, size_t shared_bytes,              \
                                int backwards) {                                                                       \
    return emulate(name##_thread, arguments, blocks, threads, shared_bytes, backwards);                                \
  }
