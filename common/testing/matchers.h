#pragma once

#include <ostream>
#include <type_traits>
#include <utility>

#include <gmock/gmock.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragonfly {

namespace internal {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

template <class Inner>
class IsOkAndHoldsMatcher {
 public:
  explicit IsOkAndHoldsMatcher(Inner inner) : inner_(std::move(inner)) {}

  template <class Result>
  operator testing::Matcher<Result>() const {  // NOLINT: gmock's way of polymorphic matchers
    return testing::Matcher<Result>(new Impl<Result>(inner_));
  }

 private:
  template <class Result>
  class Impl : public testing::MatcherInterface<Result> {
   public:
    using Value = typename std::remove_cvref_t<Result>::value_type;

    explicit Impl(const Inner& inner) : matcher_(testing::SafeMatcherCast<const Value&>(inner)) {}
    void DescribeTo(std::ostream* out) const override {
      *out << "is OK and has a value that ";
      matcher_.DescribeTo(out);
    }
    void DescribeNegationTo(std::ostream* out) const override {
      *out << "is not OK or has a value that ";
      matcher_.DescribeNegationTo(out);
    }
    bool MatchAndExplain(Result result, testing::MatchResultListener* listener) const override {
      if (!result.ok()) {
        *listener << "which has status " << result.status().ToString();
        return false;
      }
      return matcher_.MatchAndExplain(*result, listener);
    }

   private:
    testing::Matcher<const Value&> matcher_;
  };

  Inner inner_;
};

}  // namespace internal

/// For absl::Status and absl::StatusOr.
MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  if (arg.ok()) return true;
  *result_listener << internal::StatusOf(arg).ToString();
  return false;
}

/// `EXPECT_THAT(Parse("1"), IsOkAndHolds(1))`; takes a value or a matcher.
template <class Inner>
internal::IsOkAndHoldsMatcher<std::decay_t<Inner>> IsOkAndHolds(Inner&& inner) {
  return internal::IsOkAndHoldsMatcher<std::decay_t<Inner>>(std::forward<Inner>(inner));
}

MATCHER_P2(StatusIsLike, code, message,
           "has code " + absl::StatusCodeToString(code) + " and a message that matches") {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code &&
         testing::Matches(message)(
             std::string(status.message().data(), status.message().size()));
}

/// `EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "no such task"))`: the code, and a
/// text that the message contains.
inline auto StatusIs(absl::StatusCode code, std::string substring = {}) {
  return StatusIsLike(code, testing::HasSubstr(std::move(substring)));
}

}  // namespace dragonfly
