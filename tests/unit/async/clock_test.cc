#include "pipeline/async/clock.h"

#include <chrono>
#include <latch>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

class RecordingAlarm final : public Clock::Alarm {
 public:
  RecordingAlarm(std::vector<int>& calls, int id) : calls_(calls), id_(id) {}
  void OnAlarm() override { calls_.push_back(id_); }

 private:
  std::vector<int>& calls_;
  int id_;
};

TEST(ManualClock, CallsAlarmsInTheOrderOfTheirMomentsThenOfTheirArming) {
  ManualClock clock;
  std::vector<int> calls;
  RecordingAlarm late(calls, 3);
  RecordingAlarm early(calls, 1);
  RecordingAlarm tied(calls, 2);
  const auto start = clock.Now();
  clock.Arm(late, start + 2s);
  clock.Arm(early, start + 1s);
  clock.Arm(tied, start + 1s);
  clock.Advance(999ms);
  EXPECT_TRUE(calls.empty());
  clock.Advance(1ms);
  EXPECT_EQ(calls, std::vector({1, 2}));
  clock.Advance(1h);
  EXPECT_EQ(calls, std::vector({1, 2, 3}));
  EXPECT_EQ(clock.Now(), start + 1s + 1h);
}

TEST(ManualClock, DoesNotCallADisarmedAlarm) {
  ManualClock clock;
  std::vector<int> calls;
  RecordingAlarm alarm(calls, 1);
  clock.Arm(alarm, clock.Now() + 1s);
  clock.Disarm(alarm);
  clock.Disarm(alarm);
  clock.Advance(2s);
  EXPECT_TRUE(calls.empty());
}

// Arms itself again, a second later, until it was called three times.
class RepeatingAlarm final : public Clock::Alarm {
 public:
  explicit RepeatingAlarm(Clock& clock) : clock_(clock) {}
  void OnAlarm() override {
    moments_.push_back(clock_.Now());
    if (moments_.size() < 3) clock_.Arm(*this, clock_.Now() + 1s);
  }
  const std::vector<Clock::TimePoint>& moments() const { return moments_; }

 private:
  Clock& clock_;
  std::vector<Clock::TimePoint> moments_;
};

TEST(ManualClock, LetsAnAlarmBeArmedAgainByItsOwnCall) {
  ManualClock clock;
  RepeatingAlarm alarm(clock);
  const auto start = clock.Now();
  clock.Arm(alarm, start + 1s);
  clock.Advance(10s);
  EXPECT_EQ(alarm.moments(), std::vector({start + 1s, start + 2s, start + 3s}));
}

// Stays in its callback until it is let go.
class BlockingAlarm final : public Clock::Alarm {
 public:
  void OnAlarm() override {
    entered_.count_down();
    leave_.wait();
    left_ = true;
  }
  void WaitUntilEntered() { entered_.wait(); }
  void LetGo() { leave_.count_down(); }
  bool left() const { return left_; }

 private:
  std::latch entered_{1};
  std::latch leave_{1};
  bool left_ = false;  // Not atomic: only Disarm orders it before the test's read.
};

template <typename AnyClock>
void ExpectDisarmWaitsForARunningCallback(AnyClock& clock, BlockingAlarm& alarm) {
  alarm.WaitUntilEntered();
  std::thread releasing([&alarm] { alarm.LetGo(); });
  clock.Disarm(alarm);
  EXPECT_TRUE(alarm.left());
  releasing.join();
}

TEST(SystemClock, DisarmWaitsForARunningCallback) {
  SystemClock clock;
  BlockingAlarm alarm;
  clock.Arm(alarm, clock.Now());
  ExpectDisarmWaitsForARunningCallback(clock, alarm);
}

TEST(ManualClock, DisarmWaitsForARunningCallback) {
  ManualClock clock;
  BlockingAlarm alarm;
  clock.Arm(alarm, clock.Now());
  std::thread advancing([&clock] { clock.Advance(1s); });
  ExpectDisarmWaitsForARunningCallback(clock, alarm);
  advancing.join();
}

class LatchAlarm final : public Clock::Alarm {
 public:
  void OnAlarm() override { called_.count_down(); }
  void Wait() { called_.wait(); }

 private:
  std::latch called_{1};
};

TEST(SystemClock, CallsAnEarlierAlarmThoughItSleepsForALaterOne) {
  SystemClock clock;
  LatchAlarm later;
  clock.Arm(later, clock.Now() + 24h);
  LatchAlarm earlier;
  const auto due = clock.Now() + 1ms;
  clock.Arm(earlier, due);
  earlier.Wait();
  EXPECT_GE(clock.Now(), due);
  clock.Disarm(later);
}

TEST(SystemClock, CallsALaterAlarmThoughTheOneItSleepsForWasDisarmed) {
  SystemClock clock;
  for (int round = 0; round < 100; ++round) {
    LatchAlarm disarmed;
    clock.Arm(disarmed, clock.Now() + std::chrono::microseconds(50));
    clock.Disarm(disarmed);
    LatchAlarm later;
    clock.Arm(later, clock.Now() + std::chrono::microseconds(100));
    later.Wait();
    clock.Disarm(later);
  }
}

TEST(SystemClock, AcceptsTheEndOfTime) {
  SystemClock clock;
  LatchAlarm never;
  clock.Arm(never, Clock::TimePoint::max());
  clock.Disarm(never);
}

}  // namespace
}  // namespace sluice
