#include "server/rpc/call_runtime.h"

#include "absl/strings/str_cat.h"

#include "server/jobs/errors.h"

namespace sluice {

absl::StatusOr<CallRuntime::StreamSlot> CallRuntime::AcquireStream() {
  if (active_streams_.fetch_add(1) >= max_streams_) {
    active_streams_.fetch_sub(1);
    return QuotaError("max_streams",
                      absl::StrCat(max_streams_, " streams are open, which is the limit"));
  }
  return StreamSlot(active_streams_);
}

}  // namespace sluice
