#pragma once

namespace dragonfly::rpc {

/// Keeps gRPC's callback threads until the process ends. They are counted by the channels and servers
/// that exist; when the last of these is let go on a callback thread itself, as a call's end does,
/// gRPC 1.51 waits for that thread on that thread and aborts. Also turns off what gRPC's locks check of
/// themselves. Thread-safe, cheap after the first call.
void KeepCallbackThreads();

}  // namespace dragonfly::rpc
