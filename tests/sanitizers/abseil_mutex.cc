// Makes absl::Mutex and absl::CondVar visible to ThreadSanitizer.
//
// The distribution's Abseil and gRPC are not instrumented, so what gRPC hands from thread to thread
// under its mutexes looks like a race to ThreadSanitizer. The functions below take the place of
// Abseil's in a tsan build, in shared libraries too: they tell ThreadSanitizer what happens and call
// the real ones.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/base/options.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#define DF_TO_STRING(x) #x
#define DF_NAME_OF(x) DF_TO_STRING(x)

namespace {

/// The mangled name of a member of a class in Abseil's inline namespace, by the Itanium C++ ABI.
/// `member`: everything behind the namespace, class included.
std::string Mangled(std::string_view member) {
  constexpr std::string_view kInline = DF_NAME_OF(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  std::string name = "_ZN4absl";
  name += std::to_string(kInline.size());
  name += kInline;
  name += member;
  return name;
}

void* Real(std::string_view member) {
  const std::string name = Mangled(member);
  void* const found = dlsym(RTLD_NEXT, name.c_str());
  if (found == nullptr) {
    std::fprintf(stderr, "abseil_mutex: no %s in the loaded libraries\n", name.c_str());
    std::abort();
  }
  return found;
}

/// Member functions without virtual bases are called like functions that take `this` first.
template <class Function>
Function* RealFunction(std::string_view member) {
  return reinterpret_cast<Function*>(Real(member));
}

/// Gives the mutex back as far as ThreadSanitizer sees it, and takes it again at the end.
class Waiting {
 public:
  explicit Waiting(absl::Mutex* mutex) : mutex_(mutex) { __tsan_release(mutex_); }
  ~Waiting() { __tsan_acquire(mutex_); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  absl::Mutex* const mutex_;
};

}  // namespace

namespace absl {

// Analysed they would have to hold what they take.
#define DF_UNCHECKED ABSL_NO_THREAD_SAFETY_ANALYSIS

void Mutex::Lock() DF_UNCHECKED {
  static auto* const real = RealFunction<void(Mutex*)>("5Mutex4LockEv");
  real(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() DF_UNCHECKED {
  static auto* const real = RealFunction<void(Mutex*)>("5Mutex6UnlockEv");
  __tsan_release(this);
  real(this);
}

bool Mutex::TryLock() DF_UNCHECKED {
  static auto* const real = RealFunction<bool(Mutex*)>("5Mutex7TryLockEv");
  const bool locked = real(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void CondVar::Wait(Mutex* mutex) DF_UNCHECKED {
  static auto* const real = RealFunction<void(CondVar*, Mutex*)>("7CondVar4WaitEPNS0_5MutexE");
  const Waiting waiting(mutex);
  real(this, mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) DF_UNCHECKED {
  static auto* const real = RealFunction<bool(CondVar*, Mutex*, Duration)>(
      "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  const Waiting waiting(mutex);
  return real(this, mutex, timeout);
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) DF_UNCHECKED {
  static auto* const real = RealFunction<bool(CondVar*, Mutex*, Time)>(
      "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  const Waiting waiting(mutex);
  return real(this, mutex, deadline);
}

}  // namespace absl
