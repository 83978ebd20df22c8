#include "dfdaemon/app/process.h"

#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace dragonfly::dfdaemon {
namespace {

// An io thread and two data threads allocate at a time; the rest is idle nearly always.
constexpr int kArenas = 2;
// Freed memory beyond this goes back to the system, so that a busy hour does not last.
constexpr int kTrimThreshold = 1 << 20;
constexpr std::size_t kStackBytes = 512 * 1024;

sigset_t EndSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGQUIT}) sigaddset(&set, signal);
  return set;
}

// Of one loaded object. Segments that can be written hold what was written to them; all others are
// as they are in the file: no compiler that builds this makes relocations in code.
int ForgetObject(dl_phdr_info* object, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) / page * page;
    const std::uintptr_t end =
        (object->dlpi_addr + segment.p_vaddr + segment.p_memsz + page - 1) / page * page;
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void PrepareProcess() {
  ::mallopt(M_ARENA_MAX, kArenas);
  ::mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes) == 0) {
    ::pthread_attr_setstacksize(&attributes, kStackBytes);
    ::pthread_setattr_default_np(&attributes);
    ::pthread_attr_destroy(&attributes);
  }
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
    descriptors.rlim_cur = descriptors.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &descriptors);
  }
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = EndSignals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void ForgetStart() {
  ::malloc_trim(0);
  ::dl_iterate_phdr(ForgetObject, nullptr);
}

std::string WaitForEndSignal() {
  const sigset_t set = EndSignals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  for (const int next : {SIGINT, SIGTERM, SIGQUIT}) std::signal(next, SIG_DFL);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  return ::strsignal(signal);
}

}  // namespace dragonfly::dfdaemon
