#include "server/catalog/sqlite_catalog.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <stop_token>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <SQLiteCpp/Transaction.h>

#include "server/catalog/directory_lock.h"
#include "server/catalog/sqlite/candidates.h"
#include "server/catalog/sqlite/connection.h"
#include "server/catalog/sqlite/content_log.h"
#include "server/catalog/sqlite/event_chunk.h"
#include "server/catalog/sqlite/event_log.h"
#include "server/catalog/sqlite/garbage.h"
#include "server/catalog/sqlite/jobs.h"
#include "server/catalog/sqlite/reader_pool.h"
#include "server/catalog/sqlite/rows.h"
#include "server/catalog/sqlite/status.h"
#include "server/catalog/sqlite/store_files.h"
#include "server/catalog/sqlite/writer.h"

namespace sluice {
namespace {

constexpr int kWriterCacheKib = 4096;
constexpr int kReaderCacheKib = 2048;
constexpr int kMergerCacheKib = 64;  // A merge has buffers of its own.
constexpr std::size_t kReaders = 4;

constexpr std::uint64_t kMaxSize = std::numeric_limits<std::int64_t>::max();

std::int64_t AsLimit(std::size_t limit) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(limit, kMaxSize));
}

// A sync for each batch of events would be too dear (see sqlite/writer.h); where a job begins,
// ends, or is changed for another reason, it is done.
Durability DurabilityOf(const JobRecord& job, std::span<const EventRecord> events,
                        std::span<const KnownContent> contents) {
  const bool appends = !events.empty() || !contents.empty();
  return appends && !job.ended() ? Durability::kProcessCrash : Durability::kPowerCut;
}

bool Matches(const FileQuery& query, const FileEntry& file) {
  const std::uint64_t size = file.stat.size;
  return size >= query.min_size.value_or(0) && size <= query.max_size.value_or(size) &&
         (!query.digest || file.digest == query.digest) &&
         std::string_view(file.path).starts_with(query.path_prefix);
}

absl::StatusOr<CandidateSources> FindSources(Connection& connection, const CandidateQuery& query) {
  CandidateSources sources;
  for (const std::string& id : query.scans) {
    const absl::StatusOr<StoredJob> job = FindJob(connection, id);
    if (!job.ok()) return job.status();
    if (job->expired()) {
      return absl::NotFoundError(absl::StrCat("the files of job ", id, " are not kept any more"));
    }
    sources.scans.push_back({.job = job->number, .last_sequence = job->last_sequence});
  }
  for (const CandidateQuery::Known& known : query.known) {
    const absl::StatusOr<StoredJob> job = FindJob(connection, known.job);
    if (!job.ok() && !absl::IsNotFound(job.status())) return job.status();
    if (!job.ok()) continue;
    sources.known.push_back({.job = job->number, .trusted_before_ns = known.trusted_before_ns});
  }
  return sources;
}

class SqliteCatalog final : public Catalog {
 public:
  SqliteCatalog(DirectoryLock lock, StorePaths paths, std::unique_ptr<Connection> writer)
      : lock_(std::move(lock)),
        paths_(std::move(paths)),
        writer_(std::move(writer),
                std::make_unique<Connection>(paths_.database, Connection::Access::kWrite,
                                             kMergerCacheKib)),
        readers_(paths_.database, kReaders, kReaderCacheKib) {}

  absl::Status CreateJob(const JobRecord& job) override;
  absl::StatusOr<JobRecord> GetJob(const std::string& id) override;
  absl::StatusOr<JobRecord> FindJobByRequestId(const std::string& request_id) override;
  absl::StatusOr<std::vector<JobRecord>> ListJobs(const std::string& before_id,
                                                  const std::string& kind,
                                                  std::size_t limit) override;
  absl::StatusOr<std::vector<JobRecord>> ListUnendedJobs(const std::string& after_id,
                                                         std::size_t limit) override;
  absl::Status Append(const JobRecord& job, std::span<const EventRecord> events,
                      std::span<const KnownContent> contents) override;
  absl::Status DeleteJob(const std::string& id) override;
  absl::Status ExpireEvents(const std::string& id) override;
  absl::StatusOr<bool> Purge(std::size_t max_rows) override;
  absl::StatusOr<std::vector<JobRecord>> ListEndedJobs(Retained which, std::int64_t ended_before_ns,
                                                       std::size_t limit) override;
  absl::StatusOr<std::uint64_t> UsedBytes() override;
  absl::StatusOr<std::vector<EventRecord>> ReadEvents(const std::string& job_id,
                                                      std::uint64_t first_sequence,
                                                      std::size_t limit) override;
  absl::StatusOr<std::vector<EventRecord>> ReadFiles(const std::string& job_id,
                                                     std::uint64_t first_sequence,
                                                     const FileQuery& query,
                                                     std::size_t limit) override;
  absl::StatusOr<std::vector<EventRecord>> ReadPayloads(const std::string& job_id,
                                                        std::uint64_t first_sequence,
                                                        std::uint32_t kind,
                                                        std::size_t limit) override;
  absl::StatusOr<std::unique_ptr<CandidateList>> OpenCandidates(
      const CandidateQuery& query, const std::stop_token& stop) override;

 private:
  // Runs `fn(Connection&)` on a connection that reads, and sees one state of the catalog.
  template <typename Fn>
  auto Read(Fn fn);
  // A page of the job's events that match, which are in chunks that have one of `kinds`.
  absl::StatusOr<std::vector<EventRecord>> ReadMatching(
      const std::string& job_id, std::uint64_t first_sequence, std::uint64_t kinds,
      std::size_t limit, absl::FunctionRef<bool(const EventRecord&)> matches);

  const DirectoryLock lock_;
  const StorePaths paths_;
  Writer writer_;  // Closed after the readers: the last connection to close merges the log.
  ReaderPool readers_;
};

template <typename Fn>
auto SqliteCatalog::Read(Fn fn) {
  return CatchSqlite([&] {
    ReaderPool::Lease reader(readers_);
    SQLite::Transaction snapshot(reader.connection().database());
    return fn(reader.connection());
  });
}

absl::Status SqliteCatalog::CreateJob(const JobRecord& job) {
  if (job.last_sequence != 0) {
    return absl::InternalError(absl::StrCat("job ", job.id, ": a new job has no events"));
  }
  return writer_.Write(Durability::kPowerCut,
                       [&](Connection& connection) { return InsertJob(connection, job); });
}

absl::StatusOr<JobRecord> SqliteCatalog::GetJob(const std::string& id) {
  return Read([&](Connection& connection) -> absl::StatusOr<JobRecord> {
    static const std::string sql = absl::StrCat("SELECT ", kJobColumns, " FROM job WHERE id = ?1");
    Query query(connection.Prepare(sql));
    query.BindText(id);
    if (!query.Next()) return NoSuchJob(id);
    return ReadJob(query);
  });
}

absl::StatusOr<JobRecord> SqliteCatalog::FindJobByRequestId(const std::string& request_id) {
  return Read([&](Connection& connection) -> absl::StatusOr<JobRecord> {
    static const std::string sql =
        absl::StrCat("SELECT ", kJobColumns, " FROM job WHERE request_id = ?1");
    Query query(connection.Prepare(sql));
    query.BindText(request_id);
    if (!query.Next()) return absl::NotFoundError("no job of this request_id");
    return ReadJob(query);
  });
}

absl::StatusOr<std::vector<JobRecord>> SqliteCatalog::ListJobs(const std::string& before_id,
                                                               const std::string& kind,
                                                               std::size_t limit) {
  return Read([&](Connection& connection) -> absl::StatusOr<std::vector<JobRecord>> {
    const std::string sql = absl::StrCat(
        "SELECT ", kJobColumns, " FROM job WHERE true", before_id.empty() ? "" : " AND id < ?",
        kind.empty() ? "" : " AND kind = ?", " ORDER BY id DESC LIMIT ?");
    Query query(connection.Prepare(sql));
    if (!before_id.empty()) query.BindText(before_id);
    if (!kind.empty()) query.BindText(kind);
    query.Bind(AsLimit(limit));
    return ReadJobs(query);
  });
}

absl::StatusOr<std::vector<JobRecord>> SqliteCatalog::ListUnendedJobs(const std::string& after_id,
                                                                      std::size_t limit) {
  return Read([&](Connection& connection) -> absl::StatusOr<std::vector<JobRecord>> {
    static const std::string sql = absl::StrCat(
        "SELECT ", kJobColumns, " FROM job WHERE end_time = 0 AND id > ?1 ORDER BY id LIMIT ?2");
    Query query(connection.Prepare(sql));
    query.BindText(after_id).Bind(AsLimit(limit));
    return ReadJobs(query);
  });
}

absl::StatusOr<std::vector<JobRecord>> SqliteCatalog::ListEndedJobs(Retained which,
                                                                    std::int64_t ended_before_ns,
                                                                    std::size_t limit) {
  return Read([&](Connection& connection) -> absl::StatusOr<std::vector<JobRecord>> {
    // Word for word the conditions of the indexes job_expirable and job_expired.
    const std::string sql =
        absl::StrCat("SELECT ", kJobColumns, " FROM job WHERE end_time <> 0 AND last_sequence ",
                     which == Retained::kExpirable ? ">=" : "<",
                     " oldest_sequence AND end_time < ?1 ORDER BY end_time, number LIMIT ?2");
    Query query(connection.Prepare(sql));
    query.Bind(ended_before_ns).Bind(AsLimit(limit));
    return ReadJobs(query);
  });
}

absl::StatusOr<std::uint64_t> SqliteCatalog::UsedBytes() {
  return Read([](Connection& connection) -> absl::StatusOr<std::uint64_t> {
    const std::int64_t pages = connection.ReadInteger("PRAGMA page_count") -
                               connection.ReadInteger("PRAGMA freelist_count");
    return static_cast<std::uint64_t>(pages * connection.ReadInteger("PRAGMA page_size"));
  });
}

absl::Status SqliteCatalog::Append(const JobRecord& job, std::span<const EventRecord> events,
                                   std::span<const KnownContent> contents) {
  const auto write = [&](Connection& connection) -> absl::Status {
    const absl::StatusOr<StoredJob> stored = FindJob(connection, job.id);
    if (!stored.ok()) return stored.status();
    absl::Status sequences = CheckSequences(stored->last_sequence, job, events);
    if (!sequences.ok()) return sequences;
    InsertEvents(connection, stored->number, events);
    InsertContents(connection, stored->number, contents);
    UpdateJob(connection, *stored, job);
    return absl::OkStatus();
  };
  return writer_.Write(DurabilityOf(job, events, contents), write);
}

absl::Status SqliteCatalog::DeleteJob(const std::string& id) {
  return writer_.Write(Durability::kPowerCut, [&](Connection& connection) -> absl::Status {
    const absl::StatusOr<StoredJob> job = FindJob(connection, id);
    if (!job.ok()) return job.status();
    DiscardLog(connection, *job);
    RemoveJob(connection, job->number);
    return absl::OkStatus();
  });
}

absl::Status SqliteCatalog::ExpireEvents(const std::string& id) {
  return writer_.Write(Durability::kPowerCut, [&](Connection& connection) -> absl::Status {
    const absl::StatusOr<StoredJob> job = FindJob(connection, id);
    if (!job.ok()) return job.status();
    if (job->end_time_ns == 0) {
      return absl::FailedPreconditionError(absl::StrCat("job ", id, " has not ended"));
    }
    DiscardLog(connection, *job);
    SetOldestSequence(connection, job->number, job->last_sequence + 1);
    return absl::OkStatus();
  });
}

absl::StatusOr<bool> SqliteCatalog::Purge(std::size_t max_rows) {
  bool more = false;
  absl::Status purged =
      writer_.Write(Durability::kProcessCrash, [&](Connection& connection) -> absl::Status {
        more = PurgeDiscarded(connection, max_rows);
        return absl::OkStatus();
      });
  if (!purged.ok()) return purged;
  return more;
}

absl::StatusOr<std::vector<EventRecord>> SqliteCatalog::ReadMatching(
    const std::string& job_id, std::uint64_t first_sequence, std::uint64_t kinds, std::size_t limit,
    absl::FunctionRef<bool(const EventRecord&)> matches) {
  return Read([&](Connection& connection) -> absl::StatusOr<std::vector<EventRecord>> {
    const absl::StatusOr<StoredJob> job = FindJob(connection, job_id);
    if (!job.ok()) return job.status();
    const std::uint64_t first = std::max(first_sequence, job->oldest_sequence);
    if (first > job->last_sequence || limit == 0) return std::vector<EventRecord>();
    EventCursor cursor(connection, {.job = job->number, .first = first, .last = job->last_sequence},
                       kinds);
    return ReadPage(cursor, limit, matches);
  });
}

absl::StatusOr<std::vector<EventRecord>> SqliteCatalog::ReadEvents(const std::string& job_id,
                                                                   std::uint64_t first_sequence,
                                                                   std::size_t limit) {
  return ReadMatching(job_id, first_sequence, EventChunk::kAllBits, limit,
                      [](const EventRecord&) { return true; });
}

absl::StatusOr<std::vector<EventRecord>> SqliteCatalog::ReadFiles(const std::string& job_id,
                                                                  std::uint64_t first_sequence,
                                                                  const FileQuery& query,
                                                                  std::size_t limit) {
  return ReadMatching(job_id, first_sequence, EventChunk::kFileBit, limit,
                      [&](const EventRecord& event) {
                        const auto* file = std::get_if<FileEntry>(&event.event);
                        return file != nullptr && Matches(query, *file);
                      });
}

absl::StatusOr<std::vector<EventRecord>> SqliteCatalog::ReadPayloads(const std::string& job_id,
                                                                     std::uint64_t first_sequence,
                                                                     std::uint32_t kind,
                                                                     std::size_t limit) {
  return ReadMatching(job_id, first_sequence, EventChunk::PayloadBit(kind), limit,
                      [&](const EventRecord& event) {
                        const auto* payload = std::get_if<EventPayload>(&event.event);
                        return payload != nullptr && payload->kind == kind;
                      });
}

absl::StatusOr<std::unique_ptr<CandidateList>> SqliteCatalog::OpenCandidates(
    const CandidateQuery& query, const std::stop_token& stop) {
  const auto find_sources = [&](Connection& connection) { return FindSources(connection, query); };
  const absl::StatusOr<CandidateSources> sources = Read(find_sources);
  if (!sources.ok()) return sources.status();
  absl::StatusOr<std::unique_ptr<CandidateList>> list =
      CatchSqlite([&]() -> absl::StatusOr<std::unique_ptr<CandidateList>> {
        return BuildCandidates(readers_, paths_.temporary, query, *sources, stop);
      });
  // What is still there now was not purged while it was read.
  const absl::Status kept = Read(find_sources).status();
  return kept.ok() ? std::move(list) : kept;
}

absl::StatusOr<std::unique_ptr<Catalog>> OpenLocked(DirectoryLock lock, StorePaths paths) {
  if (absl::Status made = PrepareTemporaryDirectory(paths.temporary); !made.ok()) return made;
  return CatchSqlite([&]() -> absl::StatusOr<std::unique_ptr<Catalog>> {
    absl::StatusOr<std::unique_ptr<Connection>> writer = OpenStore(paths, kWriterCacheKib);
    if (!writer.ok()) return writer.status();
    // Process-wide, and deprecated for that; but one data directory a process is all there is, and
    // unlike the variable behind it the pragma takes SQLite's own lock.
    (*writer)->Execute(absl::StrCat("PRAGMA temp_store_directory = ", QuoteSql(paths.temporary)));
    return std::make_unique<SqliteCatalog>(std::move(lock), std::move(paths), *std::move(writer));
  });
}

// SQLite's own words do not say which file it is.
std::string AboutFile(const std::string& file, const absl::Status& status) {
  std::string message(status.message());
  if (message.find(file) != std::string::npos) return message;
  return absl::StrCat(file, ": ", message);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Catalog>> OpenSqliteCatalog(const std::string& data_directory) {
  std::error_code error;
  const std::filesystem::path directory = std::filesystem::canonical(data_directory, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", data_directory, ": ", error.message()));
  }
  absl::StatusOr<DirectoryLock> lock = DirectoryLock::Acquire(directory.string());
  if (!lock.ok()) return lock.status();
  const StorePaths paths(directory.string());
  absl::StatusOr<std::unique_ptr<Catalog>> catalog = OpenLocked(*std::move(lock), paths);
  if (absl::IsUnavailable(catalog.status())) {
    return absl::FailedPreconditionError(AboutFile(paths.database, catalog.status()));
  }
  if (absl::IsDataLoss(catalog.status())) {
    return absl::DataLossError(AboutFile(paths.database, catalog.status()));
  }
  return catalog;
}

}  // namespace sluice
