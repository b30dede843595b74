#include "server/jobs/job_id.h"

#include <cctype>
#include <cstddef>

#include "absl/strings/str_format.h"

namespace sluice {

JobIdGenerator::JobIdGenerator() : random_(std::random_device{}()) {}

std::string JobIdGenerator::Next(std::int64_t unix_ns) {
  constexpr std::uint32_t kCounterLimit = 1U << 12;
  std::lock_guard lock(mutex_);
  const std::int64_t now_ms = unix_ns / 1'000'000;
  if (now_ms > last_ms_) {
    last_ms_ = now_ms;
    counter_ = 0;
  } else if (++counter_ == kCounterLimit) {  // Also when the clock was set back.
    ++last_ms_;
    counter_ = 0;
  }
  const std::uint64_t tail = random_();
  const auto ms = static_cast<std::uint64_t>(last_ms_);
  return absl::StrFormat("%08x-%04x-7%03x-%04x-%012x", ms >> 16, ms & 0xffff, counter_,
                         0x8000 | ((tail >> 48) & 0x3fff), tail & 0xffffffffffff);
}

bool IsUuid(std::string_view text) {
  constexpr std::size_t kUuidLength = 36;
  if (text.size() != kUuidLength) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) {
      return false;
    }
  }
  return true;
}

std::optional<std::string> IdFromName(std::string_view name, std::string_view collection) {
  if (!name.starts_with(collection)) return std::nullopt;
  name.remove_prefix(collection.size());
  if (!name.starts_with('/')) return std::nullopt;
  name.remove_prefix(1);
  if (!IsUuid(name)) return std::nullopt;
  return std::string(name);
}

}  // namespace sluice
