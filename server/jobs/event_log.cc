#include "server/jobs/event_log.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "pipeline/async/status_error.h"
#include "server/jobs/convert.h"

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

EventLog::EventLog(Catalog& catalog, std::string job_id, std::uint64_t last_sequence, bool closed)
    : catalog_(catalog),
      job_id_(std::move(job_id)),
      last_sequence_(last_sequence),
      closed_(closed) {}

void EventLog::Publish(Chunk stored) {
  if (stored.empty()) return;
  auto chunk = std::make_shared<const Chunk>(std::move(stored));
  {
    std::lock_guard lock(mutex_);
    assert(chunk->front().sequence == last_sequence_ + 1);
    last_sequence_ = chunk->back().sequence;
    ring_events_ += chunk->size();
    ring_bytes_ += ChunkBytes(*chunk);
    ring_.push_back(std::move(chunk));
    while (ring_.size() > 1 && (ring_events_ > kRingEvents || ring_bytes_ > kRingBytes)) {
      ring_events_ -= ring_.front()->size();
      ring_bytes_ -= ChunkBytes(*ring_.front());
      ring_.pop_front();
    }
  }
  changed_.Notify();
}

void EventLog::Close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.Notify();
}

bool EventLog::HasRoom(std::uint64_t ahead) const {
  std::lock_guard lock(mutex_);
  if (subscriptions_.empty()) return false;
  return std::ranges::all_of(subscriptions_, [&](const Subscription* subscription) {
    return last_sequence_ < subscription->next_ + ahead;
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
  std::lock_guard lock(mutex_);
  if (ring_.empty() || first < ring_.front()->front().sequence) return nullptr;
  const auto found = std::ranges::find_if(
      ring_, [&](const auto& chunk) { return first <= chunk->back().sequence; });
  return found == ring_.end() ? nullptr : *found;
}

absl::StatusOr<EventLog::Slice> EventLog::Read(std::uint64_t first) {
  if (first > last_sequence()) return Slice{};
  if (auto chunk = FindInRing(first)) {
    const std::size_t offset = first - chunk->front().sequence;
    return Slice{chunk, std::span(*chunk).subspan(offset)};
  }
  absl::StatusOr<Chunk> page = catalog_.ReadEvents(job_id_, first, kPageEvents);
  if (!page.ok()) return page.status();
  auto chunk = std::make_shared<const Chunk>(*std::move(page));
  return Slice{chunk, std::span(*chunk)};
}

std::uint64_t EventLog::last_sequence() const {
  std::lock_guard lock(mutex_);
  return last_sequence_;
}

bool EventLog::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace sluice
