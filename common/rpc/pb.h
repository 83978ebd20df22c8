#pragma once

// The generated namespaces under names that are safe everywhere. Inside dragonfly::scheduler the
// name scheduler::v2 would find us, and ::common would be easy to mistake for our own folder; so
// nobody but this file spells the generated namespaces.
//
// Includes nothing: use it with the generated header you need, such as "scheduler.grpc.pb.h".

namespace common::v2 {}
namespace dfdaemon::v2 {}
namespace errordetails::v2 {}
namespace manager::v2 {}
namespace scheduler::v2 {}

namespace dragonfly::pb {

namespace common = ::common::v2;
namespace dfdaemon = ::dfdaemon::v2;
namespace errordetails = ::errordetails::v2;
namespace manager = ::manager::v2;
namespace scheduler = ::scheduler::v2;

}  // namespace dragonfly::pb
