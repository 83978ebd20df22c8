#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/async/notifier.h"
#include "common/digest/digest.h"
#include "common/ids/piece_math.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

/// One caller of a task, between its handle, which takes pieces, and the driver, which brings them.
/// Runs on: the `io` executor.
class Caller {
 public:
  struct Wish {
    DownloadRequest request;
    std::optional<ByteRange> range;
    PieceLayout::Run run;         ///< The pieces of the range, or all.
    std::optional<Digest> digest; ///< Of the whole content.
    SourceRequest source;
    std::string source_key;       ///< Equal keys share what the source says.
  };

  /// Pieces that `stored` has are ready at once, as local ones unless this call brought them.
  enum class Found : std::uint8_t { kLocal, kJustFetched };
  Caller(asio::any_io_executor io, Wish wish, const StoredTask& stored,
         Found found = Found::kLocal);

  [[nodiscard]] const Wish& wish() const { return wish_; }
  [[nodiscard]] bool whole() const { return !wish_.range.has_value(); }
  [[nodiscard]] PieceNumber missing() const { return missing_; }
  [[nodiscard]] bool Needs(PieceNumber number) const {
    return number - wish_.run.first < wish_.run.count && !here_[number - wish_.run.first];
  }

  // The driver's side.
  void Arrived(PieceNumber number);
  void Lost(PieceNumber number);
  /// The last word. Only the first one counts.
  void End(absl::Status status);
  /// Nobody takes pieces any more.
  void Detach();
  [[nodiscard]] bool detached() const { return detached_; }

  // The handle's side.
  struct Ready {
    PieceNumber number = 0;
    bool local = false;
  };
  [[nodiscard]] std::optional<Ready> TakeReady();
  [[nodiscard]] const std::optional<absl::Status>& end() const { return end_; }
  [[nodiscard]] Notifier& changed() { return changed_; }

 private:
  const Wish wish_;
  Notifier changed_;
  std::vector<bool> here_;  // By position in the run.
  std::vector<bool> told_;
  PieceNumber missing_ = 0;
  std::deque<Ready> ready_;
  std::optional<absl::Status> end_;
  bool detached_ = false;
};

}  // namespace dragonfly::dfdaemon
