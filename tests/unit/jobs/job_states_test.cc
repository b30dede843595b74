// Every RPC that changes a job, in every state: one table.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "tests/unit/jobs/gated_digester.h"
#include "tests/unit/jobs/job_rig.h"

namespace sluice {
namespace {

using absl::StatusCode;

// A job in a state that it stays in until Release.
class StateRig final {
 public:
  explicit StateRig(v1::JobState state) {
    rig_.tree().Write("a", "1234");
    rig_.tree().Write("b", "5678");
    if (state == v1::JOB_STATE_QUEUED) {
      Value(rig_.Start(rig_.ScanSpec(v1::DIGEST_POLICY_ALL)));
      digester_.AwaitEntered(1);
    }
    const bool waits = state == v1::JOB_STATE_WAITING;
    v1::JobSpec spec = rig_.ScanSpec(waits ? v1::DIGEST_POLICY_NONE : v1::DIGEST_POLICY_ALL);
    spec.set_max_item_errors(0);
    job_ =
        Value(rig_.Start(spec, "", waits ? v1::PACING_PACED_BY_CONSUMER : v1::PACING_FREE_RUNNING));
    if (state != v1::JOB_STATE_QUEUED && !waits) digester_.AwaitEntered(1);
    BringInto(state);
    JobRig::AwaitState(*job_, state);
  }
  ~StateRig() { digester_.Open(); }

  std::string name() const { return absl::StrCat("jobs/", job_->id()); }
  Job& job() { return *job_; }
  JobManager& manager() { return rig_.manager(); }
  void Release() { digester_.Open(); }

 private:
  void BringInto(v1::JobState state) {
    switch (state) {
      case v1::JOB_STATE_PAUSED:
        Value(manager().Pause(name()));
        Release();
        break;
      case v1::JOB_STATE_PAUSING:
        Value(manager().Pause(name()));
        break;
      case v1::JOB_STATE_CANCELLING:
        Value(manager().Cancel(name()));
        break;
      case v1::JOB_STATE_CANCELLED:
        Value(manager().Cancel(name()));
        Release();
        break;
      case v1::JOB_STATE_FAILED:
        digester_.FailFromNowOn();
        Release();
        break;
      case v1::JOB_STATE_SUCCEEDED:
        Release();
        break;
      default:
        break;
    }
  }

  GatedDigester digester_;
  JobRig rig_{{.max_running_jobs = 1}, &digester_};
  std::shared_ptr<Job> job_;
};

enum class Call : std::uint8_t { kPause, kResume, kCancel, kDelete };

absl::Status Make(Call call, JobManager& manager, const std::string& name) {
  switch (call) {
    case Call::kPause:
      return manager.Pause(name).status();
    case Call::kResume:
      return manager.Resume(name).status();
    case Call::kCancel:
      return manager.Cancel(name).status();
    case Call::kDelete:
      return manager.Delete(name).status();
  }
  return absl::InternalError("no such call");
}

struct Transition {
  v1::JobState from;
  Call call;
  StatusCode code;
  v1::JobState settles;  // When the job may go on as far as it can.
  StatusCode code_of_repeat;
};

constexpr StatusCode kOk = StatusCode::kOk;
constexpr StatusCode kRefused = StatusCode::kFailedPrecondition;
constexpr StatusCode kGone = StatusCode::kNotFound;

constexpr Transition kTransitions[] = {
    {v1::JOB_STATE_QUEUED, Call::kPause, kOk, v1::JOB_STATE_PAUSED, kOk},
    {v1::JOB_STATE_QUEUED, Call::kResume, kOk, v1::JOB_STATE_SUCCEEDED, kOk},
    {v1::JOB_STATE_QUEUED, Call::kCancel, kOk, v1::JOB_STATE_CANCELLED, kOk},
    {v1::JOB_STATE_QUEUED, Call::kDelete, kRefused, v1::JOB_STATE_SUCCEEDED, kRefused},

    {v1::JOB_STATE_RUNNING, Call::kPause, kOk, v1::JOB_STATE_PAUSED, kOk},
    {v1::JOB_STATE_RUNNING, Call::kResume, kOk, v1::JOB_STATE_SUCCEEDED, kOk},
    {v1::JOB_STATE_RUNNING, Call::kCancel, kOk, v1::JOB_STATE_CANCELLED, kOk},
    {v1::JOB_STATE_RUNNING, Call::kDelete, kRefused, v1::JOB_STATE_SUCCEEDED, kRefused},

    {v1::JOB_STATE_WAITING, Call::kPause, kOk, v1::JOB_STATE_PAUSED, kOk},
    {v1::JOB_STATE_WAITING, Call::kResume, kOk, v1::JOB_STATE_WAITING, kOk},
    {v1::JOB_STATE_WAITING, Call::kCancel, kOk, v1::JOB_STATE_CANCELLED, kOk},
    {v1::JOB_STATE_WAITING, Call::kDelete, kRefused, v1::JOB_STATE_WAITING, kRefused},

    {v1::JOB_STATE_PAUSING, Call::kPause, kOk, v1::JOB_STATE_PAUSED, kOk},
    {v1::JOB_STATE_PAUSING, Call::kResume, kOk, v1::JOB_STATE_SUCCEEDED, kOk},
    {v1::JOB_STATE_PAUSING, Call::kCancel, kOk, v1::JOB_STATE_CANCELLED, kOk},
    {v1::JOB_STATE_PAUSING, Call::kDelete, kRefused, v1::JOB_STATE_PAUSED, kRefused},

    {v1::JOB_STATE_PAUSED, Call::kPause, kOk, v1::JOB_STATE_PAUSED, kOk},
    {v1::JOB_STATE_PAUSED, Call::kCancel, kOk, v1::JOB_STATE_CANCELLED, kOk},
    {v1::JOB_STATE_PAUSED, Call::kDelete, kRefused, v1::JOB_STATE_PAUSED, kRefused},

    {v1::JOB_STATE_CANCELLING, Call::kPause, kRefused, v1::JOB_STATE_CANCELLED, kRefused},
    {v1::JOB_STATE_CANCELLING, Call::kResume, kRefused, v1::JOB_STATE_CANCELLED, kRefused},
    {v1::JOB_STATE_CANCELLING, Call::kCancel, kOk, v1::JOB_STATE_CANCELLED, kOk},
    {v1::JOB_STATE_CANCELLING, Call::kDelete, kRefused, v1::JOB_STATE_CANCELLED, kRefused},

    {v1::JOB_STATE_SUCCEEDED, Call::kPause, kRefused, v1::JOB_STATE_SUCCEEDED, kRefused},
    {v1::JOB_STATE_SUCCEEDED, Call::kResume, kRefused, v1::JOB_STATE_SUCCEEDED, kRefused},
    {v1::JOB_STATE_SUCCEEDED, Call::kCancel, kOk, v1::JOB_STATE_SUCCEEDED, kOk},
    {v1::JOB_STATE_SUCCEEDED, Call::kDelete, kOk, v1::JOB_STATE_SUCCEEDED, kGone},

    {v1::JOB_STATE_FAILED, Call::kPause, kRefused, v1::JOB_STATE_FAILED, kRefused},
    {v1::JOB_STATE_FAILED, Call::kResume, kRefused, v1::JOB_STATE_FAILED, kRefused},
    {v1::JOB_STATE_FAILED, Call::kCancel, kOk, v1::JOB_STATE_FAILED, kOk},
    {v1::JOB_STATE_FAILED, Call::kDelete, kOk, v1::JOB_STATE_FAILED, kGone},

    {v1::JOB_STATE_CANCELLED, Call::kPause, kRefused, v1::JOB_STATE_CANCELLED, kRefused},
    {v1::JOB_STATE_CANCELLED, Call::kResume, kRefused, v1::JOB_STATE_CANCELLED, kRefused},
    {v1::JOB_STATE_CANCELLED, Call::kCancel, kOk, v1::JOB_STATE_CANCELLED, kOk},
    {v1::JOB_STATE_CANCELLED, Call::kDelete, kOk, v1::JOB_STATE_CANCELLED, kGone},
};

constexpr const char* kCallNames[] = {"Pause", "Resume", "Cancel", "Delete"};

class JobStates : public testing::TestWithParam<Transition> {};

TEST_P(JobStates, EachCallDoesWhatTheTableSaysAndAgainTheSame) {
  const Transition& row = GetParam();
  StateRig rig(row.from);
  const absl::Status first = Make(row.call, rig.manager(), rig.name());
  EXPECT_EQ(first.code(), row.code) << first;
  const absl::Status repeat = Make(row.call, rig.manager(), rig.name());
  EXPECT_EQ(repeat.code(), row.code_of_repeat) << repeat;
  rig.Release();
  JobRig::AwaitState(rig.job(), row.settles);
}

INSTANTIATE_TEST_SUITE_P(Table, JobStates, testing::ValuesIn(kTransitions), [](const auto& row) {
  const std::string state = v1::JobState_Name(row.param.from).substr(10);
  return absl::StrCat(kCallNames[static_cast<int>(row.param.call)], "When", state);
});

TEST(JobStates, ResumingAPausedJobRunsItToItsEnd) {
  StateRig rig(v1::JOB_STATE_PAUSED);
  EXPECT_EQ(rig.manager().Resume(rig.name()).status(), absl::OkStatus());
  JobRig::AwaitState(rig.job(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(rig.job().Snapshot().counters().items(), 2U);
}

TEST(JobStates, PauseTakesBackAResumeOfAJobThatIsStillPausing) {
  StateRig rig(v1::JOB_STATE_PAUSING);
  Value(rig.manager().Resume(rig.name()));
  Value(rig.manager().Pause(rig.name()));
  rig.Release();
  JobRig::AwaitState(rig.job(), v1::JOB_STATE_PAUSED);
}

}  // namespace
}  // namespace sluice
