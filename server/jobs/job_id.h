#ifndef SLUICE_SERVER_JOBS_JOB_ID_H_
#define SLUICE_SERVER_JOBS_JOB_ID_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"

namespace sluice {

// Makes UUIDs of version 7 (RFC 9562): 48 bits of Unix milliseconds, then a counter within the
// millisecond, then randomness, so that ids sort by the order they were made in. Thread-safe.
class JobIdGenerator final {
 public:
  JobIdGenerator();

  std::string Next(std::int64_t unix_ns);

 private:
  std::mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  std::int64_t last_ms_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint32_t counter_ ABSL_GUARDED_BY(mutex_) = 0;
};

// "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", hex digits of either case.
bool IsUuid(std::string_view text);

// The id in "jobs/{id}", where `collection` is "jobs"; nullopt for any other text.
std::optional<std::string> IdFromName(std::string_view name, std::string_view collection);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_ID_H_
