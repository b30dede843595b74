#include "pipeline/async/device_lanes.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "pipeline/async/job_scope.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "tests/unit/async/started.h"

namespace sluice {
namespace {

Task<> Append(Executor& lane, std::vector<int>& order, int value, std::stop_token stop = {}) {
  co_await lane.Schedule(std::move(stop));
  order.push_back(value);
}

TEST(DeviceLanes, RunsTheCoroutinesOfALaneInTheirOrder) {
  ManualExecutor base;
  DeviceLanes lanes(base, 1);
  std::vector<int> order;
  const Started<void> first(Append(lanes.Of(7), order, 1));
  const Started<void> second(Append(lanes.Of(7), order, 2));
  const Started<void> third(Append(lanes.Of(7), order, 3));
  base.RunAll();
  EXPECT_EQ(order, std::vector({1, 2, 3}));
}

TEST(DeviceLanes, GivesOneDeviceOneLane) {
  ManualExecutor base;
  DeviceLanes lanes(base, 1);
  EXPECT_EQ(&lanes.Of(7), &lanes.Of(7));
  EXPECT_NE(&lanes.Of(7), &lanes.Of(8));
}

TEST(DeviceLanes, LetsOthersGoFirstBetweenTwoOfALane) {
  ManualExecutor base;
  DeviceLanes lanes(base, 1);
  std::vector<int> order;
  const Started<void> first(Append(lanes.Of(7), order, 1));
  const Started<void> second(Append(lanes.Of(7), order, 2));
  const Started<void> other(Append(base, order, 3));
  base.RunAll();
  EXPECT_EQ(order, std::vector({1, 3, 2}));
}

TEST(DeviceLanes, StoppedWaiterLeavesTheLaneForTheBase) {
  ManualExecutor base;
  DeviceLanes lanes(base, 1);
  std::stop_source stop;
  std::vector<int> order;
  const Started<void> first(Append(lanes.Of(7), order, 1));
  Started<void> stopped(Append(lanes.Of(7), order, 2, stop.get_token()));
  stop.request_stop();
  EXPECT_TRUE(base.RunOne()) << "ahead of the lane's own turn";
  EXPECT_THROW(stopped.Get(), Cancelled);
  base.RunAll();
  EXPECT_EQ(order, std::vector({1}));
}

// How many coroutines are between a hop onto the lane and the next suspension.
struct Readers {
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
};

Task<> Read(Executor& lane, Readers& readers, std::atomic<int>& done) {
  for (int i = 0; i < 50; ++i) {
    co_await lane.Schedule();
    const int now = ++readers.now;
    int most = readers.most;
    while (now > most && !readers.most.compare_exchange_weak(most, now)) {
    }
    std::this_thread::yield();
    --readers.now;
  }
  ++done;
}

TEST(DeviceLanes, NeverLetsMoreThanTheBoundReadOneDevice) {
  ThreadPool pool(4);
  for (const int bound : {1, 2, 3}) {
    std::vector<Readers> readers(2);
    std::atomic<int> done = 0;
    DeviceLanes lanes(pool, static_cast<std::size_t>(bound));
    JobScope scope(pool);
    for (std::uint64_t i = 0; i < 16; ++i) {
      scope.Spawn(Read(lanes.Of(i % 2), readers[i % 2], done));
    }
    SyncWait(scope.Join());
    EXPECT_EQ(done, 16);
    for (const Readers& device : readers) EXPECT_LE(device.most, bound);
  }
}

}  // namespace
}  // namespace sluice
