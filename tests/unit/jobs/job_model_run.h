#ifndef SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_RUN_H_
#define SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_RUN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/jobs/job_model.h"
#include "tests/unit/jobs/job_model_rig.h"
#include "tests/unit/jobs/job_model_watcher.h"

namespace sluice {

// One run of the random test: the same calls to a job manager and to the model, one after the
// other, as the seed says. After each, both must have answered the same and be in the same states.
class JobModelRun final {
 public:
  JobModelRun(std::uint32_t seed, const TempTree& tree, std::size_t files);

  // Random actions; then everything that can go on does, to its end.
  void Run();
  // What was done, for the report of a failure.
  const std::string& story() const { return story_; }

 private:
  using Code = absl::StatusCode;
  enum class Call : std::uint8_t { kPause, kResume, kCancel, kDelete };
  struct Action {
    unsigned weight;
    void (JobModelRun::*act)();
    const char* name;
  };
  static const std::vector<Action>& Actions();

  std::size_t Below(std::size_t bound) { return random_() % bound; }
  bool OneIn(std::size_t odds) { return Below(odds) == 0; }
  void Tell(const std::string& text) { story_ += text + "; "; }
  void Step();

  // The actions.
  void Start();
  void StartAgain();
  void StartTwiceAtOnce();
  void Change();
  void Get();
  void List();
  void Watch();
  void PullWatcher();
  void StopWatcher();
  void Sweep();
  void Restart();
  void BreakStore();
  void MendStore() { rig_.catalog().Heal(); }
  void RunSome();
  void RunUntilIdle();
  void OpenGate() { rig_.digester().Allow(1 + static_cast<int>(Below(3))); }
  void AdvanceClock();

  v1::JobSpec RandomSpec(std::size_t& needs);
  std::string NextRequestId();
  std::string NameOf(std::size_t job) { return "jobs/" + model_.jobs()[job].id; }
  std::shared_ptr<Job> Find(std::size_t job);
  void AddStarted(const std::shared_ptr<Job>& job, ModelJob as);
  absl::StatusOr<v1::Job> Make(Call call, const std::string& name);
  Code Predict(Call call, ModelJob& job, Code answered, Code write);
  void ChangeJob(std::size_t index, Call call);
  void AddWatcher(std::size_t index, std::uint64_t first, ModelWatcher::Pace pace);
  bool IsRead(std::size_t job) const;
  void StopManager(bool killed);

  // Compares everything that can be seen with the model.
  void Check();
  void CheckJob(std::size_t index);
  void CheckWatchers();
  void CheckBatch(std::size_t job, std::uint64_t next, const v1::EventBatch& batch);
  void CheckEnd(const ModelWatcher& watcher);
  void CheckResults();
  void Finish();

  std::mt19937 random_;
  const std::size_t files_;  // In the tree.
  const JobLimits limits_;
  JobModel model_{limits_};
  ManualJobRig rig_;
  std::vector<std::weak_ptr<Job>> objects_;  // By the index in the model.
  std::vector<std::unique_ptr<ModelWatcher>> watchers_;
  unsigned requests_ = 0;
  std::string story_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_JOBS_JOB_MODEL_RUN_H_
