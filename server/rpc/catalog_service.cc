#include "server/rpc/catalog_service.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/fs/glob.h"
#include "server/jobs/convert.h"
#include "server/jobs/errors.h"
#include "server/jobs/job_lists.h"
#include "server/jobs/scan_job.h"
#include "server/jobs/wire.h"
#include "server/rpc/raw_messages.h"
#include "server/rpc/stream_reactor.h"
#include "server/rpc/unary_call.h"

namespace sluice {
namespace {

constexpr std::uint32_t kDefaultBatch = 256;
constexpr std::uint32_t kMaxBatch = 4096;
// A message is sent when it has grown to this, full or not.
constexpr std::size_t kBatchBytes = 64 * 1024;
// Rows read from the catalog at a time.
constexpr std::size_t kPageRows = 512;

struct StreamCall {
  JobManager& manager;
  CallRuntime& runtime;
  std::stop_token stop;

  Catalog& catalog() const { return manager.environment().catalog; }
};

std::uint32_t BatchSize(std::uint32_t requested, const char* field, FieldViolations& violations) {
  if (requested > kMaxBatch) violations.Add(field, absl::StrCat("must be at most ", kMaxBatch));
  return requested == 0 ? kDefaultBatch : requested;
}

std::optional<Digest> WantedDigest(const std::string& text, FieldViolations& violations) {
  if (text.empty()) return std::nullopt;
  std::optional<Digest> digest = ParseDigest(text);
  if (!digest) {
    violations.Add("digest", "must be sha256:, blake2b-256: or xxh3-128: and all hex digits");
  }
  return digest;
}

// What a StreamFiles request asks for, checked.
struct FileRequest {
  std::shared_ptr<Job> job;
  FileQuery query;
  GlobSet glob;
  std::uint32_t batch = kDefaultBatch;
};

FileRequest Checked(const v1::StreamFilesRequest& request, JobManager& manager) {
  FileRequest result;
  FieldViolations violations;
  if (request.scan().empty()) violations.Add("scan", "is required, as \"scans/{id}\"");
  result.batch = BatchSize(request.max_batch_files(), "max_batch_files", violations);
  result.query.digest = WantedDigest(request.digest(), violations);
  result.query.path_prefix = request.path_prefix();
  if (request.has_min_size()) result.query.min_size = request.min_size();
  if (request.has_max_size()) result.query.max_size = request.max_size();
  if (request.has_min_size() && request.has_max_size() && request.min_size() > request.max_size()) {
    violations.Add("min_size", "must not be greater than max_size");
  }
  if (!request.path_glob().empty()) {
    absl::StatusOr<GlobSet> glob = GlobSet::Compile({request.path_glob()});
    if (glob.ok()) {
      result.glob = *std::move(glob);
    } else {
      violations.Add("path_glob", std::string(glob.status().message()));
    }
  }
  ThrowIfError(violations.ToStatus());
  result.job = ValueOrThrow(FindScan(manager.table(), request.scan()));
  return result;
}

// Puts records of the catalog into messages, as bytes: reads pages from `next` on until one is
// empty, and sends a message when it holds `batch` entries, or has grown to kBatchBytes.
// `read(next)` gives a page; `add(record, bytes)` appends it to the message if it is wanted.
template <typename Response, typename Read, typename Add>
AsyncGenerator<grpc::ByteBuffer> InMessages(std::uint64_t next, std::uint32_t batch,
                                            std::stop_token stop, Read read, Add add) {
  std::string bytes;
  std::uint32_t entries = 0;
  while (true) {
    ThrowIfStopRequested(stop);
    const std::vector<EventRecord> page = ValueOrThrow(read(next));
    if (page.empty()) break;
    for (const EventRecord& record : page) {
      next = record.sequence + 1;
      const std::size_t old_size = bytes.size();
      add(record, bytes);
      if (bytes.size() == old_size) continue;
      if (++entries < batch && bytes.size() < kBatchBytes) continue;
      AppendUint64(Response::kNextPositionFieldNumber, next, bytes);
      const std::size_t size = bytes.size();
      co_yield ToMessage(std::exchange(bytes, {}));
      bytes.reserve(size);  // The next message will be about as large.
      entries = 0;
    }
  }
  AppendUint64(Response::kNextPositionFieldNumber, next, bytes);
  if (entries > 0) co_yield ToMessage(std::move(bytes));
}

AsyncGenerator<grpc::ByteBuffer> Files(grpc::ByteBuffer bytes, StreamCall call) {
  const CallRuntime::StreamSlot slot = ValueOrThrow(call.runtime.AcquireStream());
  const auto request = ParseRequest<v1::StreamFilesRequest>(bytes);
  const FileRequest wanted = Checked(request, call.manager);
  const auto lease = ValueOrThrow(Job::ReadLease::Acquire(wanted.job));
  const auto read = [&](std::uint64_t next) {
    return call.catalog().ReadFiles(wanted.job->id(), next, wanted.query, kPageRows);
  };
  const auto add = [&](const EventRecord& record, std::string& message) {
    const auto& file = std::get<FileEntry>(record.event);
    const auto kind =
        file.stat.type == FileType::kDirectory ? GlobSet::Kind::kDirectory : GlobSet::Kind::kFile;
    if (wanted.glob.empty() || wanted.glob.Matches(file.path, kind)) {
      AppendFile(v1::StreamFilesResponse::kFilesFieldNumber, file, message);
    }
  };
  auto messages = InMessages<v1::StreamFilesResponse>(
      std::max<std::uint64_t>(1, request.start_position()), wanted.batch, call.stop, read, add);
  while (auto message = co_await messages.Next()) co_yield *std::move(message);
}

struct PlanRequest {
  std::shared_ptr<Job> job;
  std::string digest;
  std::uint32_t batch = kDefaultBatch;
};

PlanRequest Checked(const v1::StreamPlansRequest& request, JobManager& manager) {
  PlanRequest result;
  FieldViolations violations;
  if (request.job().empty()) violations.Add("job", "is required, as \"jobs/{id}\"");
  result.batch = BatchSize(request.max_batch_plans(), "max_batch_plans", violations);
  if (const auto digest = WantedDigest(request.digest(), violations)) {
    result.digest = DigestText(*digest);
  }
  ThrowIfError(violations.ToStatus());
  result.job = ValueOrThrow(manager.Find(request.job()));
  if (!result.job->spec().has_reconcile()) {
    throw StatusError(PreconditionError("JOB_KIND", request.job(),
                                        absl::StrCat(request.job(), " is no reconcile job")));
  }
  return result;
}

// Whether a stored plan is asked for. Parsed only where that takes a look into it.
bool IsWanted(const std::string& plan_bytes, const v1::StreamPlansRequest& request,
              const std::string& digest) {
  if (digest.empty() && request.min_recoverable_bytes() == 0) return true;
  v1::ReconciliationPlan plan;
  if (!plan.ParseFromString(plan_bytes)) return true;  // Theirs to find out.
  return plan.total_recoverable_bytes() >= request.min_recoverable_bytes() &&
         (digest.empty() || plan.digest() == digest);
}

AsyncGenerator<grpc::ByteBuffer> Plans(grpc::ByteBuffer bytes, StreamCall call) {
  const CallRuntime::StreamSlot slot = ValueOrThrow(call.runtime.AcquireStream());
  const auto request = ParseRequest<v1::StreamPlansRequest>(bytes);
  const PlanRequest wanted = Checked(request, call.manager);
  const auto lease = ValueOrThrow(Job::ReadLease::Acquire(wanted.job));
  const auto read = [&](std::uint64_t next) {
    return call.catalog().ReadPayloads(wanted.job->id(), next, v1::JobEvent::kPlan, kPageRows);
  };
  const auto add = [&](const EventRecord& record, std::string& message) {
    const std::string& plan = std::get<EventPayload>(record.event).payload;
    if (IsWanted(plan, request, wanted.digest)) {
      AppendBytes(v1::StreamPlansResponse::kPlansFieldNumber, plan, message);
    }
  };
  auto messages = InMessages<v1::StreamPlansResponse>(
      std::max<std::uint64_t>(1, request.start_position()), wanted.batch, call.stop, read, add);
  while (auto message = co_await messages.Next()) co_yield *std::move(message);
}

}  // namespace

grpc::ServerUnaryReactor* CatalogService::GetScan(grpc::CallbackServerContext* context,
                                                  const v1::GetScanRequest* request,
                                                  v1::GetScanResponse* response) {
  return Answer(runtime_, context, [this, request, response] {
    const auto job = FindScan(manager_.table(), request->name());
    if (job.ok()) *response->mutable_scan() = ScanOf((*job)->Snapshot());
    return job.status();
  });
}

grpc::ServerUnaryReactor* CatalogService::ListScans(grpc::CallbackServerContext* context,
                                                    const v1::ListScansRequest* request,
                                                    v1::ListScansResponse* response) {
  return Answer(runtime_, context, [this, request, response] {
    auto page = sluice::ListScans(manager_.table(), manager_.environment().host,
                                  request->page_size(), request->page_token());
    if (!page.ok()) return page.status();
    for (v1::Scan& scan : page->scans) response->add_scans()->Swap(&scan);
    response->set_next_page_token(page->next_page_token);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* CatalogService::DeleteScan(grpc::CallbackServerContext* context,
                                                     const v1::DeleteScanRequest* request,
                                                     v1::DeleteScanResponse* response) {
  return Answer(runtime_, context, [this, request, response]() -> absl::Status {
    const auto scan = FindScan(manager_.table(), request->name());
    if (request->allow_missing() && absl::IsNotFound(scan.status())) return absl::OkStatus();
    if (!scan.ok()) return scan.status();
    const absl::StatusOr<v1::Job> job = manager_.Delete(absl::StrCat("jobs/", (*scan)->id()));
    if (!job.ok()) return job.status();
    *response->mutable_scan() = ScanOf(*job);
    retention_.Kick();
    return absl::OkStatus();
  });
}

v1::Scan CatalogService::ScanOf(const v1::Job& job) const {
  return ScanOfJob(job, manager_.environment().host);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* CatalogService::StreamFiles(
    grpc::CallbackServerContext* /*context*/, const grpc::ByteBuffer* request) {
  auto* reactor = new StreamReactor<grpc::ByteBuffer>(runtime_);
  reactor->Start(Files(*request, {manager_, runtime_, reactor->stop_token()}));
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* CatalogService::StreamPlans(
    grpc::CallbackServerContext* /*context*/, const grpc::ByteBuffer* request) {
  auto* reactor = new StreamReactor<grpc::ByteBuffer>(runtime_);
  reactor->Start(Plans(*request, {manager_, runtime_, reactor->stop_token()}));
  return reactor;
}

}  // namespace sluice
