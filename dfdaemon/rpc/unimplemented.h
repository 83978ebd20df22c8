#pragma once

// Overrides of a generated CallbackService for methods that have no body yet. gRPC's own default
// answers without a word, and a caller would not know what is missing.

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "common/rpc/serve.h"

#define DF_UNIMPLEMENTED_UNARY(method, Request, Response)                                   \
  grpc::ServerUnaryReactor* method(grpc::CallbackServerContext*, const Request*, Response*) \
      override {                                                                            \
    return new rpc::internal::Refusal<grpc::ServerUnaryReactor>(                            \
        absl::UnimplementedError(#method " is not implemented by this dfdaemon"));          \
  }

#define DF_UNIMPLEMENTED_STREAM(method, Request, Response)                                 \
  grpc::ServerWriteReactor<Response>* method(grpc::CallbackServerContext*, const Request*) \
      override {                                                                           \
    return new rpc::internal::Refusal<grpc::ServerWriteReactor<Response>>(                 \
        absl::UnimplementedError(#method " is not implemented by this dfdaemon"));         \
  }
