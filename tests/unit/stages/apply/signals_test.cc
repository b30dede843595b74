// Signals that keep interrupting the process while it changes files, and changes them back.
//
// Few calls on local file systems are to be interrupted; the wait for the lock of the private
// directory is one, so somebody has it for a while. That each of the others is made again, too, is
// shown by tests/faults/apply_test.py, which has every second one fail.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/unit/stages/apply/apply_rig.h"

namespace sluice {
namespace {

using ::testing::Each;
using ::testing::Field;
using ::testing::SizeIs;
using Result = ApplyOutcome::Result;

constexpr int kGroups = 150;
constexpr int kCopies = 2;
constexpr std::chrono::microseconds kPeriod(200);

std::atomic<int> interruptions = 0;
static_assert(std::atomic<int>::is_always_lock_free);

// SIGALRM again and again, without SA_RESTART: as long as it lives.
class Storm final {
 public:
  Storm() {
    struct sigaction action = {};
    action.sa_handler = [](int) { ++interruptions; };
    EXPECT_EQ(::sigaction(SIGALRM, &action, &before_), 0);
    SetTimer(kPeriod);
  }
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;
  ~Storm() {
    SetTimer(std::chrono::microseconds::zero());
    EXPECT_EQ(::sigaction(SIGALRM, &before_, nullptr), 0);
  }

 private:
  static void SetTimer(std::chrono::microseconds period) {
    const itimerval timer = {.it_interval = {.tv_sec = 0, .tv_usec = period.count()},
                             .it_value = {.tv_sec = 0, .tv_usec = period.count()}};
    EXPECT_EQ(::setitimer(ITIMER_REAL, &timer, nullptr), 0);
  }

  struct sigaction before_ = {};
};

// Has the lock of the private directory until it has sent so many signals to the thread that made
// it. They are counted where they are sent: a sanitizer may have the handler run only later, after
// the call that goes on being interrupted.
class LockHolder final {
 public:
  LockHolder(ApplyRig& rig, int signals) {
    const std::string path = rig.tree().MakeDirectory(kPrivateDirectory);
    EXPECT_EQ(::chmod(path.c_str(), 0700), 0);
    UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_EQ(::flock(directory.get(), LOCK_EX), 0);
    // The timer's signals are for the thread that works: this one inherits that it takes none.
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, &alarm, &before);
    thread_ = std::thread([signals, worker = ::pthread_self(), held = std::move(directory)] {
      for (int sent = 0; sent < signals; ++sent) {
        EXPECT_EQ(::pthread_kill(worker, SIGALRM), 0);
        std::this_thread::sleep_for(kPeriod);
      }
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  LockHolder(const LockHolder&) = delete;
  LockHolder& operator=(const LockHolder&) = delete;
  ~LockHolder() { thread_.join(); }

 private:
  std::thread thread_;
};

class ApplyUnderSignals : public ::testing::TestWithParam<Action> {};

TEST_P(ApplyUnderSignals, ChangesAndUndoesEverything) {
  ApplyRig rig;
  for (int group = 0; group < kGroups; ++group) {
    std::vector<std::string> names;
    for (int i = 0; i <= kCopies; ++i) names.push_back(absl::StrCat("d", i, "/", group));
    rig.MakeGroup(names, absl::StrCat(group, std::string(10'000, 'x')));
  }
  const auto contents = rig.Contents();
  const ApplyOptions options = ApplyRig::Executing(GetParam());
  std::vector<ApplyOutcome> applied;
  std::vector<ApplyOutcome> undone;
  interruptions = 0;
  {
    const Storm storm;
    const LockHolder holder(rig, kGroups / 2);
    applied = rig.Apply(options).outcomes;
    undone = rig.Undo(options).outcomes;
    while (interruptions < kGroups / 2) std::this_thread::yield();
  }
  for (const auto& outcomes : {applied, undone}) {
    EXPECT_THAT(outcomes, SizeIs(kGroups * kCopies));
    EXPECT_THAT(outcomes, Each(Field(&ApplyOutcome::result, Result::kApplied)));
  }
  EXPECT_EQ(rig.Contents(), contents);
  for (const auto& [name, content] : contents) EXPECT_EQ(rig.tree().Stat(name).link_count, 1);
  EXPECT_FALSE(rig.HasPrivateDirectory());
}

INSTANTIATE_TEST_SUITE_P(Actions, ApplyUnderSignals,
                         ::testing::Values(Action::kHardlink, Action::kSymlink, Action::kRemove));

}  // namespace
}  // namespace sluice
