#ifndef SLUICE_SERVER_JOBS_JOB_KIND_H_
#define SLUICE_SERVER_JOBS_JOB_KIND_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/clock.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/roots.h"
#include "pipeline/stages/counters.h"
#include "pipeline/stages/recorded_items.h"
#include "server/catalog/catalog.h"
#include "server/jobs/apply_journals.h"
#include "server/jobs/convert.h"
#include "server/jobs/errors.h"
#include "sluice/v1/job.pb.h"

namespace sluice {

// What the pipelines of all jobs are built upon. Lifetime: outlives every job.
struct JobEnvironment {
  const AllowedRoots& roots;
  Catalog& catalog;
  ContentDigester& digester;
  const ApplyJournals& journals;
  const Clock& clock;
  std::string spool_directory;
  std::string host;
  // Directories (device, inode) that no scan enters.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> protected_directories;
};

// One run of one job, the first or a later one. Lifetime: outlives the scope's Join.
struct JobRun {
  const std::string& job_id;
  const v1::JobSpec& spec;
  JobScope& scope;
  PipelineCounters& counters;
  // Of earlier runs: what they have recorded beyond the checkpoint (null: nothing), and the last
  // checkpoint that was stored (empty: none).
  const RecordedItems* recorded = nullptr;
  std::string checkpoint;
};

// A kind of job: how its spec is checked, and how its pipeline is put together. Each kind is one
// file in this folder and one row of the table in job_kinds.cc.
struct JobKind {
  std::string_view name;
  v1::JobSpec::KindCase spec_case;
  // Events that are stored in one transaction at most: see job_runner.cc for how many bytes.
  std::size_t events_per_transaction;
  // The stage that holds the job up, for its progress.
  std::string_view (*stage)(const v1::JobSpec& spec, const PipelineCounters& counters);
  // Ids of the jobs whose results it reads, which therefore do not expire before it has ended.
  std::vector<std::string> (*inputs)(const v1::JobSpec& spec);
  // Adds what is wrong with the spec's fields (names begin with "spec.").
  void (*check_fields)(const v1::JobSpec& spec, FieldViolations& violations);
  // Checks a spec whose fields are right against the world: roots, other jobs. Blocks on the disk.
  absl::Status (*check_world)(const v1::JobSpec& spec, const JobEnvironment& environment);
  // The pipeline. Nothing runs before it is pulled.
  AsyncGenerator<JobItem> (*start)(const JobRun& run, const JobEnvironment& environment);
  // Checks a spec whose fields are right against a job that has not ended. Null: it may be started
  // beside any.
  absl::Status (*check_beside)(const v1::JobSpec& spec, const v1::Job& unended) = nullptr;
};

std::span<const JobKind> JobKinds();

// nullptr when the spec names no kind.
const JobKind* FindJobKind(const v1::JobSpec& spec);

// Shared by the kinds.
inline constexpr std::uint32_t kMaxReadThreads = 64;
inline constexpr int kMaxGlobs = 1000;

void CheckReadThreads(std::uint32_t read_threads, std::string field, FieldViolations& violations);
std::size_t ReadThreads(std::uint32_t requested);
void CheckGlobs(const google::protobuf::RepeatedPtrField<std::string>& globs,
                const std::string& field, FieldViolations& violations);
// REQUIRES: CheckGlobs found nothing.
GlobSet CompileGlobs(const google::protobuf::RepeatedPtrField<std::string>& globs);

}  // namespace sluice

#endif  // SLUICE_SERVER_JOBS_JOB_KIND_H_
