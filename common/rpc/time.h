#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "common/base/clock.h"

namespace dragonfly::rpc {

/// Nanoseconds; what does not fit the other side's range becomes its nearest end.
google::protobuf::Timestamp ToProto(WallTime time);
google::protobuf::Duration ToProto(Duration duration);
WallTime FromProto(const google::protobuf::Timestamp& time);
Duration FromProto(const google::protobuf::Duration& duration);

}  // namespace dragonfly::rpc
