#pragma once

// Early return on a bad absl::Status, as statements (GNU statement expressions would hide a `return`
// and break inside coroutines). The CO_ forms are for coroutines.

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define DF_STATUS_CONCAT_INNER_(a, b) a##b
#define DF_STATUS_CONCAT_(a, b) DF_STATUS_CONCAT_INNER_(a, b)

#define DF_RETURN_IF_ERROR_IMPL_(ret, expr)                 \
  do {                                                      \
    if (::absl::Status df_status_ = (expr); !df_status_.ok()) \
      ret df_status_;                                       \
  } while (false)

#define DF_ASSIGN_OR_RETURN_IMPL_(ret, var, lhs, expr) \
  auto var = (expr);                                   \
  if (!var.ok()) ret var.status();                     \
  lhs = std::move(var).value()

/// `RETURN_IF_ERROR(expr)`: returns the status of `expr` from the enclosing function unless it is OK.
#define RETURN_IF_ERROR(expr) DF_RETURN_IF_ERROR_IMPL_(return, expr)
#define CO_RETURN_IF_ERROR(expr) DF_RETURN_IF_ERROR_IMPL_(co_return, expr)

/// `ASSIGN_OR_RETURN(auto x, expr)`: binds the value of a StatusOr, or returns its status.
#define ASSIGN_OR_RETURN(lhs, expr) \
  DF_ASSIGN_OR_RETURN_IMPL_(return, DF_STATUS_CONCAT_(df_status_or_, __LINE__), lhs, expr)
#define CO_ASSIGN_OR_RETURN(lhs, expr) \
  DF_ASSIGN_OR_RETURN_IMPL_(co_return, DF_STATUS_CONCAT_(df_status_or_, __LINE__), lhs, expr)
