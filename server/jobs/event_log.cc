#include "server/jobs/event_log.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"

#include "pipeline/async/status_error.h"
#include "server/jobs/convert.h"
#include "server/jobs/errors.h"

namespace sluice {
namespace {

std::size_t ChunkBytes(const EventLog::Chunk& chunk) {
  std::size_t bytes = 0;
  for (const EventRecord& event : chunk) bytes += ApproximateSize(event);
  return bytes;
}

}  // namespace

EventLog::Subscription::Subscription(std::shared_ptr<EventLog> log, std::uint64_t next)
    : log_(std::move(log)), next_(next) {
  {
    std::lock_guard lock(log_->mutex_);
    log_->subscriptions_.insert(this);
  }
  log_->consumed_.Notify();
}

EventLog::Subscription::~Subscription() {
  {
    std::lock_guard lock(log_->mutex_);
    log_->subscriptions_.erase(this);
  }
  log_->consumed_.Notify();
}

void EventLog::Subscription::MoveTo(std::uint64_t next) {
  {
    std::lock_guard lock(log_->mutex_);
    next_ = next;
  }
  log_->consumed_.Notify();
}

EventLog::EventLog(Catalog& catalog, std::string job_id, Extent extent)
    : catalog_(catalog), job_id_(std::move(job_id)), extent_(extent) {}

void EventLog::Publish(Chunk stored) {
  if (!stored.empty()) {
    const std::size_t bytes = ChunkBytes(stored);
    auto chunk = std::make_shared<const Chunk>(std::move(stored));
    std::lock_guard lock(mutex_);
    assert(chunk->front().sequence == extent_.last + 1);
    extent_.last = chunk->back().sequence;
    ring_events_ += chunk->size();
    ring_bytes_ += bytes;
    ring_.push_back({.events = std::move(chunk), .bytes = bytes});
    while (ring_.size() > 1 && (ring_events_ > kRingEvents || ring_bytes_ > kRingBytes)) {
      ring_events_ -= ring_.front().events->size();
      ring_bytes_ -= ring_.front().bytes;
      ring_.pop_front();
    }
  }
  changed_.Notify();
}

void EventLog::Close() {
  {
    std::lock_guard lock(mutex_);
    extent_.closed = true;
  }
  changed_.Notify();
}

void EventLog::Expire() {
  {
    std::lock_guard lock(mutex_);
    extent_.oldest = extent_.last + 1;
    ring_.clear();
    ring_events_ = ring_bytes_ = 0;
  }
  changed_.Notify();
}

void EventLog::Fail(absl::Status error) {
  {
    std::lock_guard lock(mutex_);
    error_ = std::move(error);
    ring_.clear();
    ring_events_ = ring_bytes_ = 0;
  }
  changed_.Notify();
}

bool EventLog::HasRoom(std::uint64_t ahead) const {
  std::lock_guard lock(mutex_);
  if (subscriptions_.empty()) return false;
  return std::ranges::all_of(subscriptions_, [&](const Subscription* subscription) {
    return extent_.last < subscription->next_ + ahead;
  });
}

Task<> EventLog::WaitForRoom(Executor& executor, std::uint64_t ahead, std::stop_token stop,
                             WaitObserver& observer) {
  bool waited = false;
  while (true) {
    const std::uint64_t seen = consumed_.count();
    if (HasRoom(ahead)) break;
    if (!std::exchange(waited, true)) observer.OnWaiting(true);
    if (co_await consumed_.Wait(executor, seen, {.stop = stop}) == Wake::kStopped) {
      throw Cancelled();
    }
  }
  if (waited) observer.OnWaiting(false);
}

std::shared_ptr<const EventLog::Chunk> EventLog::FindInRing(std::uint64_t first) const {
  if (ring_.empty() || first < ring_.front().events->front().sequence) return nullptr;
  const auto found = std::ranges::find_if(
      ring_, [&](const RingChunk& chunk) { return first <= chunk.events->back().sequence; });
  return found == ring_.end() ? nullptr : found->events;
}

absl::StatusOr<EventLog::Slice> EventLog::Read(std::uint64_t first) {
  {
    std::lock_guard lock(mutex_);
    if (!error_.ok()) return error_;
    if (first < extent_.oldest) return ExpiredError(first, extent_);
    if (first > extent_.last) return Slice{};
    if (auto chunk = FindInRing(first)) {
      const std::size_t offset = first - chunk->front().sequence;
      return Slice{chunk, std::span(*chunk).subspan(offset)};
    }
  }
  absl::StatusOr<Chunk> page = catalog_.ReadEvents(job_id_, first, kPageEvents);
  if (!page.ok() || page->empty()) {
    // Perhaps it was taken away meanwhile.
    std::lock_guard lock(mutex_);
    if (!error_.ok()) return error_;
    return page.ok() ? ExpiredError(first, extent_) : CatalogError(page.status());
  }
  auto chunk = std::make_shared<const Chunk>(*std::move(page));
  return Slice{chunk, std::span(*chunk)};
}

EventLog::Extent EventLog::extent() const {
  std::lock_guard lock(mutex_);
  return extent_;
}

bool EventLog::has_subscriptions() const {
  std::lock_guard lock(mutex_);
  return !subscriptions_.empty();
}

absl::Status ExpiredError(std::uint64_t first, const EventLog::Extent& extent) {
  const bool beyond = first > extent.last;
  return MakeError(
      absl::StatusCode::kOutOfRange, "EVENTS_EXPIRED",
      beyond ? absl::StrCat("event ", first, " lies beyond the end of the job, ", extent.last)
             : absl::StrCat("event ", first, " is not kept any more"),
      {{"oldest_sequence", absl::StrCat(extent.oldest)},
       {"last_sequence", absl::StrCat(extent.last)}});
}

}  // namespace sluice
