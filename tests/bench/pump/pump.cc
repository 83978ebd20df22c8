// The yardstick of the transfer benchmarks: sendfile → recv + CRC-32 + pwrite over loopback,
// nothing else. See README.md.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/base/types.h"
#include "common/digest/digest.h"

namespace dragonfly {
namespace {

struct Flags {
  std::uint64_t size_mib = 4096;
  std::uint64_t chunk_kib = 256;
  std::uint64_t send_chunk_kib = 1024;
  std::uint64_t low_water_kib = 128;
  unsigned connections = 2;
  unsigned rounds = 5;
  bool one_writer = false;
  std::string source;
  std::string source_dir = "/tmp";
  std::string target_dir = "/tmp";
};

// The part of the file that one connection carries.
struct Part {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint32_t crc32 = 0;
};

struct Round {
  double seconds = 0;
  double sender_cpu_seconds = 0;
  double receiver_cpu_seconds = 0;
  long sender_peak_kib = 0;
  long receiver_peak_kib = 0;
};

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  // Also in a child of fork, so no destructors.
  ::_exit(1);
}

int Check(int result, const char* what) {
  if (result < 0) Die(what);
  return result;
}

std::vector<Part> Cut(std::uint64_t size, unsigned parts) {
  std::vector<Part> result;
  const std::uint64_t length = (size / parts + 4095) / 4096 * 4096;
  for (std::uint64_t offset = 0; offset < size; offset += length) {
    result.push_back({.offset = offset, .length = std::min(length, size - offset)});
  }
  return result;
}

// Writes the content and notes the checksum of every part; afterwards it is in the page cache.
void Generate(int file, std::vector<Part>& parts) {
  std::vector<std::uint64_t> block(kMiB / 8);
  std::uint64_t state = 0x9e3779b97f4a7c15U;
  for (Part& part : parts) {
    for (std::uint64_t done = 0; done < part.length;) {
      for (std::uint64_t& word : block) {
        state ^= state << 13U;
        state ^= state >> 7U;
        state ^= state << 17U;
        word = state;
      }
      const auto bytes =
          std::as_bytes(std::span(block)).first(std::min<std::uint64_t>(kMiB, part.length - done));
      part.crc32 = Crc32(part.crc32, bytes);
      if (::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(part.offset + done)) !=
          static_cast<ssize_t>(bytes.size())) {
        Die("write source");
      }
      done += bytes.size();
    }
  }
}

// Notes the checksum of every part of a file that is there; afterwards it is in the page cache.
void ReadThrough(int file, std::vector<Part>& parts) {
  std::vector<std::byte> buffer(kMiB);
  for (Part& part : parts) {
    for (std::uint64_t done = 0; done < part.length;) {
      const std::uint64_t want = std::min<std::uint64_t>(buffer.size(), part.length - done);
      const ssize_t got =
          ::pread(file, buffer.data(), want, static_cast<off_t>(part.offset + done));
      if (got <= 0) Die("read source");
      const auto bytes = std::span(buffer).first(static_cast<std::size_t>(got));
      part.crc32 = Crc32(part.crc32, bytes);
      done += bytes.size();
    }
  }
}

void SendPart(int socket, int file, const std::vector<Part>& parts, std::uint64_t chunk) {
  std::uint32_t index = 0;
  if (::recv(socket, &index, sizeof(index), MSG_WAITALL) != sizeof(index)) Die("read request");
  const Part& part = parts.at(index);
  auto offset = static_cast<off_t>(part.offset);
  for (std::uint64_t rest = part.length; rest > 0;) {
    const ssize_t sent = ::sendfile(socket, file, &offset, std::min(rest, chunk));
    if (sent <= 0) Die("sendfile");
    rest -= static_cast<std::uint64_t>(sent);
  }
  ::close(socket);
}

[[noreturn]] void Send(int listener, const std::string& path, const std::vector<Part>& parts,
                       std::uint64_t chunk) {
  const int file = Check(::open(path.c_str(), O_RDONLY), "open source");
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const int socket = Check(::accept(listener, nullptr, nullptr), "accept");
    threads.emplace_back([=, &parts] { SendPart(socket, file, parts, chunk); });
  }
  for (std::thread& thread : threads) thread.join();
  ::_exit(0);
}

// How much has to be there before recv() returns.
void SetLowWater(int socket, std::uint64_t bytes) {
  const int value = static_cast<int>(bytes);
  ::setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value));
}

void ReceivePart(const Flags& flags, std::uint16_t port, int file, std::uint32_t index,
                 const Part& part, std::mutex* one_writer) {
  const int socket = Check(::socket(AF_INET, SOCK_STREAM, 0), "socket");
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Check(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)), "connect");
  if (::send(socket, &index, sizeof(index), 0) != sizeof(index)) Die("send request");
  const std::uint64_t low_water = flags.low_water_kib * kKiB;
  if (low_water > 0) SetLowWater(socket, std::min(low_water, part.length));
  const std::uint64_t chunk = flags.chunk_kib * kKiB;
  std::vector<std::byte> buffer(chunk);
  std::uint32_t crc32 = 0;
  for (std::uint64_t done = 0; done < part.length;) {
    const std::uint64_t rest = part.length - done;
    if (low_water > 0 && rest < low_water) SetLowWater(socket, rest);
    const ssize_t got =
        ::recv(socket, buffer.data(), std::min(chunk, rest), low_water > 0 ? 0 : MSG_WAITALL);
    if (got <= 0) Die("recv");
    const auto bytes = std::span(buffer).first(static_cast<std::size_t>(got));
    crc32 = Crc32(crc32, bytes);
    {
      std::unique_lock<std::mutex> lock;
      if (one_writer != nullptr) lock = std::unique_lock(*one_writer);
      if (::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(part.offset + done)) !=
          got) {
        Die("write target");
      }
    }
    done += bytes.size();
  }
  ::close(socket);
  if (crc32 != part.crc32) {
    std::fprintf(stderr, "part %u has crc32 %u instead of %u\n", index, crc32, part.crc32);
    ::_exit(1);
  }
}

// As the daemon does: a new file of the final length, its space reserved. On tmpfs that is where the
// memory is taken, so it is part of what is measured.
int CreateTarget(const std::string& path, std::uint64_t length) {
  const int file = Check(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600), "open target");
  Check(::ftruncate(file, static_cast<off_t>(length)), "set length of target");
  (void)::fallocate(file, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(length));
  return file;
}

[[noreturn]] void Receive(const Flags& flags, std::uint16_t port, const std::string& target,
                          const std::vector<Part>& parts) {
  const int file = CreateTarget(target, flags.size_mib * kMiB);
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < parts.size(); ++i) {
    threads.emplace_back([&, i] {
      ReceivePart(flags, port, file, i, parts[i], flags.one_writer ? &mutex : nullptr);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ::_exit(0);
}

double CpuSeconds(const rusage& usage) {
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

rusage Wait(pid_t child) {
  int status = 0;
  rusage usage{};
  Check(::wait4(child, &status, 0, &usage), "wait");
  if (status != 0) std::exit(1);
  return usage;
}

Round Run(const Flags& flags, const std::string& source, const std::string& target,
          const std::vector<Part>& parts) {
  const int listener = Check(::socket(AF_INET, SOCK_STREAM, 0), "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  Check(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), "bind");
  Check(::listen(listener, 128), "listen");
  Check(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), "getsockname");

  const auto start = std::chrono::steady_clock::now();
  const pid_t sender = Check(::fork(), "fork");
  if (sender == 0) Send(listener, source, parts, flags.send_chunk_kib * kKiB);
  const pid_t receiver = Check(::fork(), "fork");
  if (receiver == 0) Receive(flags, ntohs(address.sin_port), target, parts);
  const rusage received = Wait(receiver);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const rusage sent = Wait(sender);
  ::close(listener);
  ::unlink(target.c_str());
  return {.seconds = took.count(),
          .sender_cpu_seconds = CpuSeconds(sent),
          .receiver_cpu_seconds = CpuSeconds(received),
          .sender_peak_kib = sent.ru_maxrss,
          .receiver_peak_kib = received.ru_maxrss};
}

template <class Value>
double Median(const std::vector<Round>& rounds, Value value) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(static_cast<double>(value(round)));
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

int Main(const Flags& flags) {
  const std::string suffix = "/bench-pump-" + std::to_string(::getpid());
  const std::string target = flags.target_dir + suffix + "-target";
  std::vector<Part> parts = Cut(flags.size_mib * kMiB, flags.connections);
  const bool given = !flags.source.empty();
  const std::string source = given ? flags.source : flags.source_dir + suffix + "-source";
  const int file = given ? Check(::open(source.c_str(), O_RDONLY), "open source")
                         : Check(::open(source.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600),
                                 "create source");
  given ? ReadThrough(file, parts) : Generate(file, parts);

  const double gib = static_cast<double>(flags.size_mib) / 1024;
  std::printf("%6s %8s %18s %20s\n", "round", "GiB/s", "sender core-s/GiB", "receiver core-s/GiB");
  std::vector<Round> rounds;
  for (unsigned i = 1; i <= flags.rounds; ++i) {
    rounds.push_back(Run(flags, source, target, parts));
    const Round& round = rounds.back();
    std::printf("%6u %8.2f %18.2f %20.2f\n", i, gib / round.seconds, round.sender_cpu_seconds / gib,
                round.receiver_cpu_seconds / gib);
    std::fflush(stdout);
  }
  ::close(file);
  if (!given) ::unlink(source.c_str());

  std::printf(
      "{\"bench\":\"pump\",\"size_mib\":%llu,\"chunk_kib\":%llu,\"connections\":%u,\"rounds\":%u,"
      "\"one_writer\":%s,\"gib_per_s\":%.3f,\"seconds\":%.3f,\"sender_cpu_s\":%.3f,"
      "\"receiver_cpu_s\":%.3f,\"cpu_s_per_gib\":%.3f,\"sender_peak_rss_kib\":%.0f,"
      "\"receiver_peak_rss_kib\":%.0f}\n",
      static_cast<unsigned long long>(flags.size_mib),
      static_cast<unsigned long long>(flags.chunk_kib), flags.connections, flags.rounds,
      flags.one_writer ? "true" : "false",
      gib / Median(rounds, [](const Round& r) { return r.seconds; }),
      Median(rounds, [](const Round& r) { return r.seconds; }),
      Median(rounds, [](const Round& r) { return r.sender_cpu_seconds; }),
      Median(rounds, [](const Round& r) { return r.receiver_cpu_seconds; }),
      Median(rounds, [](const Round& r) { return r.sender_cpu_seconds + r.receiver_cpu_seconds; }) /
          gib,
      Median(rounds, [](const Round& r) { return r.sender_peak_kib; }),
      Median(rounds, [](const Round& r) { return r.receiver_peak_kib; }));
  return 0;
}

}  // namespace
}  // namespace dragonfly

int main(int argc, char** argv) {
  dragonfly::Flags flags;
  CLI::App app("sendfile, recv + CRC-32 + pwrite over loopback: what a transfer can cost at best");
  app.add_option("--size", flags.size_mib, "MiB to move")->check(CLI::Range(1U, 1U << 20U));
  app.add_option("--chunk", flags.chunk_kib, "KiB per recv and pwrite")
      ->check(CLI::Range(1U, 64U << 10U));
  app.add_option("--send-chunk", flags.send_chunk_kib, "KiB per sendfile")
      ->check(CLI::Range(1U, 64U << 10U));
  app.add_option("--low-water", flags.low_water_kib,
                 "KiB that must have arrived before recv returns; 0: a whole chunk")
      ->check(CLI::Range(0U, 64U << 10U));
  app.add_option("--connections", flags.connections, "connections, a thread at each end")
      ->check(CLI::Range(1U, 256U));
  app.add_option("--rounds", flags.rounds, "repetitions; medians are reported")
      ->check(CLI::Range(1U, 1000U));
  app.add_flag("--one-writer", flags.one_writer, "one write into the file at a time");
  app.add_option("--source", flags.source, "a file of at least --size to send; else one is made");
  app.add_option("--source-dir", flags.source_dir, "folder of the file that is made");
  app.add_option("--target-dir", flags.target_dir, "folder of the file that is written");
  CLI11_PARSE(app, argc, argv);
  return dragonfly::Main(flags);
}
