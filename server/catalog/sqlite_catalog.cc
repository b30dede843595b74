#include "server/catalog/sqlite_catalog.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <mutex>
#include <span>
#include <stop_token>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <SQLiteCpp/Transaction.h>
#include <sqlite3.h>

#include "server/catalog/directory_lock.h"
#include "server/catalog/sqlite/candidates.h"
#include "server/catalog/sqlite/connection.h"
#include "server/catalog/sqlite/event_log.h"
#include "server/catalog/sqlite/jobs.h"
#include "server/catalog/sqlite/reader_pool.h"
#include "server/catalog/sqlite/rows.h"
#include "server/catalog/sqlite/status.h"
#include "server/catalog/sqlite/store_files.h"

namespace sluice {
namespace {

constexpr int kWriterCacheKib = 4096;
constexpr int kReaderCacheKib = 2048;
constexpr std::size_t kReaders = 4;

// The log is merged into the database when it has so many pages of 4 KiB ...
constexpr int kMergeLogPages = 4096;
// ... and if readers have kept it from starting over for so long, the writer waits for them.
constexpr int kMaxLogPages = 4 * kMergeLogPages;
constexpr int kLogBytesKept = kMergeLogPages * 4096;

constexpr std::uint64_t kMaxSize = std::numeric_limits<std::int64_t>::max();

std::int64_t AsLimit(std::size_t limit) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(limit, kMaxSize));
}

// What a commit survives. The log is in the kernel's hands either way, so that a crash of the
// process takes nothing; a sync for every batch of events was measured to cost more than half of
// the rows a second. So it is done where a job begins or ends, and takes the events before it
// along: a power cut can take the newest events of a job that had not ended, never one from the
// middle.
enum class Durability : std::uint8_t { kProcessCrash, kPowerCut };

Durability DurabilityOf(const JobRecord& job) {
  return job.ended ? Durability::kPowerCut : Durability::kProcessCrash;
}

// Called after each commit. What was committed stays so: a merge that fails is tried again after
// the next one, and an error that lasts will meet the next write.
int MergeLog(void* /*context*/, sqlite3* database, const char* schema, int log_pages) {
  if (log_pages >= kMergeLogPages) {
    const int mode =
        log_pages >= kMaxLogPages ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    sqlite3_wal_checkpoint_v2(database, schema, mode, nullptr, nullptr);
  }
  return SQLITE_OK;
}

void PrepareWriter(Connection& writer, const StorePaths& paths) {
  // Process-wide, and deprecated for that; but one data directory a process is all there is, and
  // unlike the variable behind it the pragma takes SQLite's own lock.
  writer.Execute(absl::StrCat("PRAGMA temp_store_directory = ", QuoteSql(paths.temporary)));
  writer.Execute(absl::StrCat("PRAGMA journal_size_limit = ", kLogBytesKept));
  sqlite3_wal_hook(writer.database().getHandle(), &MergeLog, nullptr);
}

class SqliteCatalog final : public Catalog {
 public:
  SqliteCatalog(DirectoryLock lock, StorePaths paths, std::unique_ptr<Connection> writer)
      : lock_(std::move(lock)),
        paths_(std::move(paths)),
        writer_(std::move(writer)),
        readers_(paths_.database, kReaders, kReaderCacheKib),
        last_job_when_opened_(writer_->ReadInteger("SELECT ifnull(max(number), 0) FROM job")) {}

  absl::Status CreateJob(const JobRecord& job) override;
  absl::StatusOr<JobRecord> GetJob(const std::string& id) override;
  absl::StatusOr<JobRecord> FindJobByRequestId(const std::string& request_id) override;
  absl::StatusOr<std::vector<JobRecord>> ListJobs(const std::string& before_id,
                                                  const std::string& kind,
                                                  std::size_t limit) override;
  absl::StatusOr<std::vector<JobRecord>> ListUnendedJobs() override;
  absl::Status AppendEvents(const JobRecord& job, std::span<const EventRecord> events) override;
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
  // Runs `fn(Connection&)` in a transaction of the writer, committed when it returns OK.
  template <typename Fn>
  absl::Status Write(Durability durability, Fn fn);
  // Runs `fn(Connection&)` on a connection that reads.
  template <typename Fn>
  auto Read(Fn fn);
  // Runs `fn(Query&)` on the statement `sql`, whose first two parameters, the range of keys of the
  // job's events from `first_sequence` on, are bound.
  template <typename Fn>
  absl::StatusOr<std::vector<EventRecord>> ReadRange(const std::string& sql,
                                                     const std::string& job_id,
                                                     std::uint64_t first_sequence, Fn fn);

  const DirectoryLock lock_;
  const StorePaths paths_;
  std::mutex writer_mutex_;
  // Closed after the readers: the last connection to close merges the log.
  const std::unique_ptr<Connection> writer_ ABSL_PT_GUARDED_BY(writer_mutex_);
  ReaderPool readers_;
  const std::int64_t last_job_when_opened_;
  std::atomic<std::uint64_t> lists_opened_ = 0;
};

template <typename Fn>
absl::Status SqliteCatalog::Write(Durability durability, Fn fn) {
  std::lock_guard lock(writer_mutex_);
  return CatchSqlite([&]() -> absl::Status {
    writer_->Execute(durability == Durability::kPowerCut ? "PRAGMA synchronous = FULL"
                                                         : "PRAGMA synchronous = NORMAL");
    SQLite::Transaction transaction(writer_->database(), SQLite::TransactionBehavior::IMMEDIATE);
    absl::Status status = fn(*writer_);
    if (status.ok()) transaction.commit();
    return status;
  });
}

template <typename Fn>
auto SqliteCatalog::Read(Fn fn) {
  return CatchSqlite([&] {
    ReaderPool::Lease reader(readers_);
    return fn(reader.connection());
  });
}

absl::Status SqliteCatalog::CreateJob(const JobRecord& job) {
  if (job.last_sequence != 0) {
    return absl::InternalError(absl::StrCat("job ", job.id, ": a new job has no events"));
  }
  return Write(Durability::kPowerCut,
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

absl::StatusOr<std::vector<JobRecord>> SqliteCatalog::ListUnendedJobs() {
  return Read([&](Connection& connection) -> absl::StatusOr<std::vector<JobRecord>> {
    static const std::string sql = absl::StrCat(
        "SELECT ", kJobColumns, " FROM job WHERE ended = 0 AND number <= ?1 ORDER BY id");
    Query query(connection.Prepare(sql));
    query.Bind(last_job_when_opened_);
    return ReadJobs(query);
  });
}

absl::Status SqliteCatalog::AppendEvents(const JobRecord& job,
                                         std::span<const EventRecord> events) {
  return Write(DurabilityOf(job), [&](Connection& connection) -> absl::Status {
    const absl::StatusOr<StoredJob> stored = FindJob(connection, job.id);
    if (!stored.ok()) return stored.status();
    absl::Status sequences = CheckSequences(stored->last_sequence, job, events);
    if (!sequences.ok()) return sequences;
    InsertEvents(connection, stored->number, events);
    ReplaceJob(connection, stored->number, job);
    return absl::OkStatus();
  });
}

template <typename Fn>
absl::StatusOr<std::vector<EventRecord>> SqliteCatalog::ReadRange(const std::string& sql,
                                                                  const std::string& job_id,
                                                                  std::uint64_t first_sequence,
                                                                  Fn fn) {
  return Read([&](Connection& connection) -> absl::StatusOr<std::vector<EventRecord>> {
    const absl::StatusOr<StoredJob> job = FindJob(connection, job_id);
    if (!job.ok()) return job.status();
    if (first_sequence > kMaxSequence) return std::vector<EventRecord>();
    Query query(connection.Prepare(sql));
    query.Bind(EventKey(job->number, first_sequence)).Bind(EventKey(job->number, kMaxSequence));
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
  std::vector<CandidateScan> scans;
  for (const std::string& id : query.scans) {
    const absl::StatusOr<StoredJob> job =
        Read([&](Connection& connection) { return FindJob(connection, id); });
    if (!job.ok()) return job.status();
    scans.push_back({.job = job->number, .last_sequence = job->last_sequence});
  }
  const std::string list_file =
      absl::StrCat(paths_.temporary, "/candidates-", lists_opened_.fetch_add(1), ".sqlite");
  return CatchSqlite([&]() -> absl::StatusOr<std::unique_ptr<CandidateList>> {
    return BuildCandidates(paths_.database, list_file, query, scans, stop);
  });
}

absl::StatusOr<std::unique_ptr<Catalog>> OpenLocked(DirectoryLock lock, StorePaths paths) {
  if (absl::Status made = PrepareTemporaryDirectory(paths.temporary); !made.ok()) return made;
  return CatchSqlite([&]() -> absl::StatusOr<std::unique_ptr<Catalog>> {
    absl::StatusOr<std::unique_ptr<Connection>> writer = OpenStore(paths, kWriterCacheKib);
    if (!writer.ok()) return writer.status();
    PrepareWriter(**writer, paths);
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
