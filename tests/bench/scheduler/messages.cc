#include "tests/bench/scheduler/messages.h"

#include <cstdio>

namespace dragonfly::bench {
namespace {

constexpr std::uint64_t kContentLength = kPieceLength * kPieceCount;

std::string Ip(std::size_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "10.%zu.%zu.%zu", number >> 16U & 255U, number >> 8U & 255U,
                number & 255U);
  return text;
}

std::string Hex(std::uint64_t seed, std::size_t length) {
  std::string text;
  while (text.size() < length) {
    // The finisher of SplitMix64, by Sebastiano Vigna.
    seed += 0x9e3779b97f4a7c15U;
    std::uint64_t word = seed;
    word = (word ^ (word >> 30U)) * 0xbf58476d1ce4e5b9U;
    word = (word ^ (word >> 27U)) * 0x94d049bb133111ebU;
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx",
                  static_cast<unsigned long long>(word ^ (word >> 31U)));
    text += digits;
  }
  text.resize(length);
  return text;
}

}  // namespace

std::string HostName(std::size_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "node-%06zu.rack", number);
  return text;
}

std::string HostIdOf(std::size_t number) { return Ip(number) + "-" + HostName(number); }

std::string TaskIdOf(std::uint64_t number) { return Hex(number, 64); }

std::string PeerIdOf(std::size_t host, std::uint64_t number) {
  const std::string hex = Hex(~number, 32);
  return HostIdOf(host) + "-" + hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" +
         hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" + hex.substr(20, 12);
}

pb::common::Host SomeHost(std::size_t number) {
  pb::common::Host host;
  host.set_id(HostIdOf(number));
  host.set_hostname(HostName(number));
  host.set_name(HostName(number));
  host.set_ip(Ip(number));
  host.set_port(4000);
  host.set_download_port(4000);
  host.set_proxy_port(4001);
  host.set_os("linux");
  host.set_platform("debian");
  host.set_platform_family("debian");
  host.set_platform_version("12.9");
  host.set_kernel_version("6.1.0-31-amd64");
  auto& cpu = *host.mutable_cpu();
  cpu.set_logical_count(64);
  cpu.set_physical_count(32);
  cpu.set_percent(12.5);
  cpu.set_process_percent(1.25);
  auto& times = *cpu.mutable_times();
  times.set_user(123456.5);
  times.set_system(34567.5);
  times.set_idle(9876543.25);
  times.set_iowait(123.5);
  auto& memory = *host.mutable_memory();
  memory.set_total(256ULL << 30U);
  memory.set_available(200ULL << 30U);
  memory.set_used(56ULL << 30U);
  memory.set_used_percent(21.9);
  memory.set_process_used_percent(0.05);
  memory.set_free(150ULL << 30U);
  auto& network = *host.mutable_network();
  network.set_tcp_connection_count(321);
  network.set_upload_tcp_connection_count(12);
  network.set_location("eu|de|fra|dc1|r12");
  network.set_idc("fra-dc1");
  network.set_max_rx_bandwidth(10'000'000'000);
  network.set_max_tx_bandwidth(10'000'000'000);
  network.set_rx_bandwidth(123'456'789);
  network.set_tx_bandwidth(98'765'432);
  auto& disk = *host.mutable_disk();
  disk.set_total(4ULL << 40U);
  disk.set_free(3ULL << 40U);
  disk.set_used(1ULL << 40U);
  disk.set_used_percent(25);
  disk.set_inodes_total(268435456);
  disk.set_inodes_used(1048576);
  disk.set_inodes_free(267386880);
  disk.set_inodes_used_percent(0.39);
  auto& build = *host.mutable_build();
  build.set_git_version("2.4.0");
  build.set_git_commit("0575ce9");
  build.set_platform("linux/amd64");
  return host;
}

void FillDownload(std::uint64_t task, pb::common::Download& download) {
  download.set_url("https://registry.example.com/v2/team/service/blobs/sha256:" + TaskIdOf(task));
  download.set_type(pb::common::STANDARD);
  download.set_tag("");
  download.set_application("");
  for (const char* name : {"X-Amz-Signature", "X-Amz-Date", "Expires", "ns"}) {
    download.add_filtered_query_params(name);
  }
  (*download.mutable_request_header())["user-agent"] = "containerd/1.7.22";
  download.set_concurrent_piece_count(8);
  download.set_actual_piece_length(kPieceLength);
  download.set_actual_content_length(kContentLength);
  download.set_actual_piece_count(kPieceCount);
}

void FillPiece(std::uint32_t number, const std::string& parent, pb::common::Piece& piece) {
  piece.set_number(number);
  if (parent.empty()) {
    piece.set_traffic_type(pb::common::BACK_TO_SOURCE);
  } else {
    piece.set_parent_id(parent);
    piece.set_traffic_type(pb::common::REMOTE_PEER);
  }
  piece.set_offset(number * kPieceLength);
  piece.set_length(kPieceLength);
  piece.set_digest("crc32:3735928559");
  piece.mutable_cost()->set_nanos(42'000'000);
  piece.mutable_created_at()->set_seconds(1'767'225'600);
  piece.mutable_created_at()->set_nanos(123'456'789);
}

pb::scheduler::AnnouncePeerResponse ThreeParents() {
  pb::scheduler::AnnouncePeerResponse response;
  auto& answer = *response.mutable_normal_task_response();
  for (std::size_t number = 1; number <= 3; ++number) {
    auto& parent = *answer.add_candidate_parents();
    parent.set_id(PeerIdOf(number, number));
    parent.mutable_cost()->set_seconds(3);
    parent.set_state("Succeeded");
    auto& task = *parent.mutable_task();
    task.set_id(TaskIdOf(1));
    pb::common::Download download;
    FillDownload(1, download);
    task.set_url(download.url());
    task.mutable_filtered_query_params()->Swap(download.mutable_filtered_query_params());
    task.set_content_length(kContentLength);
    task.set_piece_count(kPieceCount);
    task.set_state("Running");
    task.set_peer_count(1000);
    for (auto* time : {task.mutable_created_at(), task.mutable_updated_at(),
                       parent.mutable_created_at(), parent.mutable_updated_at()}) {
      time->set_seconds(1'767'225'600);
      time->set_nanos(123'456'789);
    }
    *parent.mutable_host() = SomeHost(number);
    parent.set_concurrent_piece_count(8);
  }
  return response;
}

}  // namespace dragonfly::bench
