#include "pipeline/async/status_error.h"

#include "absl/strings/str_cat.h"

namespace sluice {

absl::Status CurrentExceptionToStatus() {
  try {
    throw;
  } catch (const StatusError& error) {
    return error.status();
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("unexpected exception: ", error.what()));
  } catch (...) {
    return absl::InternalError("unexpected exception of an unknown type");
  }
}

absl::Status ToStatus(const std::exception_ptr& error) {
  if (!error) return absl::OkStatus();
  try {
    std::rethrow_exception(error);
  } catch (...) {
    return CurrentExceptionToStatus();
  }
}

}  // namespace sluice
