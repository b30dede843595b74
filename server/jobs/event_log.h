#ifndef SLUICE_SERVER_JOBS_EVENT_LOG_H_
#define SLUICE_SERVER_JOBS_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/signal.h"
#include "pipeline/async/task.h"
#include "server/catalog/catalog.h"

namespace sluice {

// The events of one job, for those who read them
// ==============================================
//
// The catalog holds the log. This is its live end: the newest chunks are kept in a ring of bounded
// size, so that streams that keep up read no SQL; whoever falls behind the ring reads the catalog,
// and costs memory to nobody.
//
// One writer (the job's runner), which stores events first and publishes them then; any number of
// readers, each with a Subscription that says how far it has come. For a paced job the writer
// waits for them in WaitForRoom.
//
// Thread-safe. Lifetime: the catalog outlives it; it outlives its subscriptions.
class EventLog final {
 public:
  // Ring bounds: a chunk beyond either is given up, oldest first; the newest always stays.
  static constexpr std::size_t kRingEvents = 4096;
  static constexpr std::size_t kRingBytes = 1024 * 1024;
  // Events of one page that is read from the catalog.
  static constexpr std::size_t kPageEvents = 512;

  using Chunk = std::vector<EventRecord>;

  // Consecutive events, and what keeps them alive.
  struct Slice {
    std::shared_ptr<const Chunk> chunk;
    std::span<const EventRecord> events;
  };

  // A reader's place: it has been given everything below `next`.
  class Subscription final {
   public:
    Subscription(std::shared_ptr<EventLog> log, std::uint64_t next);
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

    void MoveTo(std::uint64_t next);

   private:
    friend class EventLog;
    std::shared_ptr<EventLog> log_;
    std::uint64_t next_;  // Guarded by the log's mutex.
  };

  // Which events there are.
  struct Extent {
    std::uint64_t oldest = 1;  // last + 1 when they have expired.
    std::uint64_t last = 0;
    bool closed = false;  // Nothing more will come.
  };

  EventLog(Catalog& catalog, std::string job_id, Extent extent);

  // Writer: makes stored events visible, and tells readers to look again even without any.
  // REQUIRES: they follow what was published last.
  void Publish(Chunk stored);
  // Writer: nothing more will come.
  void Close();
  // What there was is not kept any more: readers get ExpiredError.
  void Expire();
  // Readers get this error from now on.
  void Fail(absl::Status error);

  // Writer of a paced job: waits until the slowest subscription is at most `ahead` events behind
  // the last one; without any, until one comes. The observer is told when a wait begins and ends.
  // Throws Cancelled when stopped.
  class WaitObserver {
   public:
    virtual void OnWaiting(bool waiting) = 0;

   protected:
    ~WaitObserver() = default;
  };
  Task<> WaitForRoom(Executor& executor, std::uint64_t ahead, std::stop_token stop,
                     WaitObserver& observer);

  // Readers: at least one event from `first` on, when there is one; else an empty slice. Blocks on
  // the catalog when `first` is no longer in the ring. ExpiredError when it is not kept.
  absl::StatusOr<Slice> Read(std::uint64_t first);

  Extent extent() const;
  bool has_subscriptions() const;
  // Notified at every change.
  Signal& changed() { return changed_; }

 private:
  std::shared_ptr<const Chunk> FindInRing(std::uint64_t first) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasRoom(std::uint64_t ahead) const;

  Catalog& catalog_;
  const std::string job_id_;

  mutable std::mutex mutex_;
  Extent extent_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  struct RingChunk {
    std::shared_ptr<const Chunk> events;
    std::size_t bytes;
  };
  std::deque<RingChunk> ring_ ABSL_GUARDED_BY(mutex_);
  std::size_t ring_events_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t ring_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<const Subscription*> subscriptions_ ABSL_GUARDED_BY(mutex_);

  Signal changed_;
  Signal consumed_;  // A subscription came, went, or moved.
};

// OUT_OF_RANGE: the event `first` is not kept any more, or lies beyond the end of an ended job and
// will not be the next one either.
absl::Status ExpiredError(std::uint64_t first, const EventLog::Extent& extent);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_EVENT_LOG_H_
