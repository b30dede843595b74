#include "server/catalog/sqlite_catalog.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <stop_token>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <SQLiteCpp/Transaction.h>

#include "server/catalog/directory_lock.h"
#include "server/catalog/sqlite/candidates.h"
#include "server/catalog/sqlite/connection.h"
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
constexpr std::size_t kReaders = 4;

constexpr std::uint64_t kMaxSize = std::numeric_limits<std::int64_t>::max();

std::int64_t AsLimit(std::size_t limit) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(limit, kMaxSize));
}

// A sync for each batch of events would be too dear (see sqlite/writer.h); where a job begins,
// ends, or is changed for another reason, it is done.
Durability DurabilityOf(const JobRecord& job, std::span<const EventRecord> events) {
  return events.empty() || job.ended() ? Durability::kPowerCut : Durability::kProcessCrash;
}

absl::StatusOr<CandidateScan> FindScan(Connection& connection, const std::string& id) {
  const absl::StatusOr<StoredJob> job = FindJob(connection, id);
  if (!job.ok()) return job.status();
  if (job->expired()) {
    return absl::NotFoundError(absl::StrCat("the files of job ", id, " are not kept any more"));
  }
  return CandidateScan{.job = job->number, .last_sequence = job->last_sequence};
}

class SqliteCatalog final : public Catalog {
 public:
  SqliteCatalog(DirectoryLock lock, StorePaths paths, std::unique_ptr<Connection> writer)
      : lock_(std::move(lock)),
        paths_(std::move(paths)),
        writer_(std::move(writer)),
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
  // Runs `fn(Query&)` on the statement `sql`, whose first two parameters, the range of keys of the
  // job's events from `first_sequence` on that are kept, are bound.
  template <typename Fn>
  absl::StatusOr<std::vector<EventRecord>> ReadRange(const std::string& sql,
                                                     const std::string& job_id,
                                                     std::uint64_t first_sequence, Fn fn);

  const DirectoryLock lock_;
  const StorePaths paths_;
  Writer writer_;  // Closed after the readers: the last connection to close merges the log.
  ReaderPool readers_;
  std::atomic<std::uint64_t> lists_opened_ = 0;
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
                                   std::span<const KnownContent> /*contents*/) {
  const auto write = [&](Connection& connection) -> absl::Status {
    const absl::StatusOr<StoredJob> stored = FindJob(connection, job.id);
    if (!stored.ok()) return stored.status();
    absl::Status sequences = CheckSequences(stored->last_sequence, job, events);
    if (!sequences.ok()) return sequences;
    InsertEvents(connection, stored->number, events);
    UpdateJob(connection, stored->number, job);
    return absl::OkStatus();
  };
  return writer_.Write(DurabilityOf(job, events), write);
}

absl::Status SqliteCatalog::DeleteJob(const std::string& id) {
  return writer_.Write(Durability::kPowerCut, [&](Connection& connection) -> absl::Status {
    const absl::StatusOr<StoredJob> job = FindJob(connection, id);
    if (!job.ok()) return job.status();
    DiscardEvents(connection, job->number, job->oldest_sequence, job->last_sequence);
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
    DiscardEvents(connection, job->number, job->oldest_sequence, job->last_sequence);
    SetOldestSequence(connection, job->number, job->last_sequence + 1);
    return absl::OkStatus();
  });
}

absl::StatusOr<bool> SqliteCatalog::Purge(std::size_t max_rows) {
  bool more = false;
  absl::Status purged =
      writer_.Write(Durability::kProcessCrash, [&](Connection& connection) -> absl::Status {
        more = PurgeEvents(connection, max_rows);
        return absl::OkStatus();
      });
  if (!purged.ok()) return purged;
  return more;
}

template <typename Fn>
absl::StatusOr<std::vector<EventRecord>> SqliteCatalog::ReadRange(const std::string& sql,
                                                                  const std::string& job_id,
                                                                  std::uint64_t first_sequence,
                                                                  Fn fn) {
  return Read([&](Connection& connection) -> absl::StatusOr<std::vector<EventRecord>> {
    const absl::StatusOr<StoredJob> job = FindJob(connection, job_id);
    if (!job.ok()) return job.status();
    const std::uint64_t first = std::max(first_sequence, job->oldest_sequence);
    if (first > kMaxSequence) return std::vector<EventRecord>();
    Query query(connection.Prepare(sql));
    query.Bind(EventKey(job->number, first)).Bind(EventKey(job->number, kMaxSequence));
    fn(query);
    return ReadPage(query);
  });
}

absl::StatusOr<std::vector<EventRecord>> SqliteCatalog::ReadEvents(const std::string& job_id,
                                                                   std::uint64_t first_sequence,
                                                                   std::size_t limit) {
  // Both halves come by key, so that SQLite merges them as it goes: nothing is sorted.
  static const std::string sql = absl::StrCat(
      "SELECT ", kFileEventColumns, kFileColumns,
      " FROM file WHERE key BETWEEN ?1 AND ?2 UNION ALL"
      " SELECT ",
      kPayloadEventColumns,
      ", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
      " NULL, NULL, NULL, NULL FROM event WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3");
  return ReadRange(sql, job_id, first_sequence,
                   [&](Query& statement) { statement.Bind(AsLimit(limit)); });
}

absl::StatusOr<std::vector<EventRecord>> SqliteCatalog::ReadFiles(const std::string& job_id,
                                                                  std::uint64_t first_sequence,
                                                                  const FileQuery& query,
                                                                  std::size_t limit) {
  static const std::string sql =
      absl::StrCat("SELECT ", kFileEventColumns, kFileColumns,
                   " FROM file WHERE key BETWEEN ?1 AND ?2 AND size BETWEEN ?3 AND ?4"
                   " AND (?5 IS NULL OR digest = ?5) AND substr(path, 1, length(?6)) = ?6"
                   " ORDER BY key LIMIT ?7");
  const std::uint64_t min_size = query.min_size.value_or(0);
  const std::uint64_t max_size = std::min(query.max_size.value_or(kMaxSize), kMaxSize);
  return ReadRange(sql, job_id, first_sequence, [&](Query& statement) {
    statement.BindUnsigned(std::min(min_size, kMaxSize)).BindUnsigned(max_size);
    BindDigest(statement, query.digest);
    statement.BindBytes(query.path_prefix).Bind(AsLimit(limit));
  });
}

absl::StatusOr<std::vector<EventRecord>> SqliteCatalog::ReadPayloads(const std::string& job_id,
                                                                     std::uint64_t first_sequence,
                                                                     std::uint32_t kind,
                                                                     std::size_t limit) {
  static const std::string sql =
      absl::StrCat("SELECT ", kPayloadEventColumns,
                   " FROM event WHERE key BETWEEN ?1 AND ?2 AND kind = ?3 ORDER BY key LIMIT ?4");
  return ReadRange(sql, job_id, first_sequence,
                   [&](Query& statement) { statement.Bind(kind).Bind(AsLimit(limit)); });
}

absl::StatusOr<std::unique_ptr<CandidateList>> SqliteCatalog::OpenCandidates(
    const CandidateQuery& query, const std::stop_token& stop) {
  const auto find_scans =
      [&](Connection& connection) -> absl::StatusOr<std::vector<CandidateScan>> {
    std::vector<CandidateScan> scans;
    for (const std::string& id : query.scans) {
      const absl::StatusOr<CandidateScan> scan = FindScan(connection, id);
      if (!scan.ok()) return scan.status();
      scans.push_back(*scan);
    }
    return scans;
  };
  const absl::StatusOr<std::vector<CandidateScan>> scans = Read(find_scans);
  if (!scans.ok()) return scans.status();
  const std::string list_file =
      absl::StrCat(paths_.temporary, "/candidates-", lists_opened_.fetch_add(1), ".sqlite");
  absl::StatusOr<std::unique_ptr<CandidateList>> list =
      CatchSqlite([&]() -> absl::StatusOr<std::unique_ptr<CandidateList>> {
        return BuildCandidates(paths_.database, list_file, query, *scans, stop);
      });
  // What is still there now was not purged while it was read.
  const absl::Status kept = Read(find_scans).status();
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
