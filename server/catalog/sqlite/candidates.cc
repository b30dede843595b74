#include "server/catalog/sqlite/candidates.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Transaction.h>
#include <sqlite3.h>

#include "server/catalog/sqlite/connection.h"
#include "server/catalog/sqlite/rows.h"
#include "server/catalog/sqlite/status.h"

namespace sluice {
namespace {

constexpr int kBuildCacheKib = 4096;
constexpr int kReadCacheKib = 1024;
constexpr std::uint64_t kSliceEvents = 16'384;
constexpr int kStepsBetweenStopChecks = 10'000;  // About a millisecond.

static_assert(static_cast<int>(FileType::kRegular) == 0, "the SQL below says so");

std::int64_t AsSigned(std::uint64_t size) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(size, kMax));
}

bool IsSameName(const CandidateFile& a, const CandidateFile& b) {
  return a.size_class == b.size_class && a.file.stat.inode == b.file.stat.inode &&
         a.file.stat.device == b.file.stat.device && a.file.path == b.file.path;
}

CandidateFile ReadCandidate(const Query& row) {
  return {.file = ReadFile(row, 2),
          .scan_index = static_cast<std::uint32_t>(row.Integer(1)),
          .size_class = row.Unsigned(0)};
}

// Removes a file at the end.
class FileRemover final {
 public:
  explicit FileRemover(std::string path) : path_(std::move(path)) {}
  ~FileRemover() { ::unlink(path_.c_str()); }
  FileRemover(const FileRemover&) = delete;
  FileRemover& operator=(const FileRemover&) = delete;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

class SqliteCandidateList final : public CandidateList {
 public:
  explicit SqliteCandidateList(std::unique_ptr<FileRemover> file)
      : file_(std::move(file)),
        connection_(file_->path(), Connection::Access::kRead, kReadCacheKib),
        size_(static_cast<std::uint64_t>(
            connection_.ReadInteger("SELECT ifnull(max(position) + 1, 0) FROM candidate"))) {}

  absl::StatusOr<std::vector<CandidateFile>> Read(std::uint64_t first, std::size_t limit) override {
    std::lock_guard lock(mutex_);
    return CatchSqlite([&] { return ReadLocked(first, limit); });
  }

  std::uint64_t size() const override { return size_; }

 private:
  absl::StatusOr<std::vector<CandidateFile>> ReadLocked(std::uint64_t first, std::size_t limit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    static const std::string sql =
        absl::StrCat("SELECT class, scan_index, ", kFileColumns,
                     " FROM candidate WHERE position >= ?1 ORDER BY position LIMIT ?2");
    Query query(connection_.Prepare(sql));
    query.Bind(AsSigned(first)).Bind(AsSigned(limit));
    std::vector<CandidateFile> files;
    while (query.Next()) files.push_back(ReadCandidate(query));
    return files;
  }

  const std::unique_ptr<FileRemover> file_;  // Outlives the connection to it.
  std::mutex mutex_;
  Connection connection_ ABSL_GUARDED_BY(mutex_);
  const std::uint64_t size_;
};

class CandidateBuilder final {
 public:
  CandidateBuilder(const std::string& store_file, const std::string& list_file,
                   const CandidateQuery& query, const std::vector<CandidateScan>& scans,
                   const std::stop_token& stop);

  void CollectInodes();
  void RankSizeClasses();
  void CollectFiles();
  void WriteList();

 private:
  // Classes of one scan are told apart from those of another only within scans.
  std::int64_t ClassScan(std::size_t scan_index) const {
    return query_.scope == CandidateQuery::Scope::kWithinScan
               ? static_cast<std::int64_t>(scan_index)
               : 0;
  }
  // Calls `fn(scan_index, first_key, last_key)` for every slice of every scan.
  template <typename Fn>
  void ForEachSlice(Fn fn) const;

  const CandidateQuery& query_;
  const std::vector<CandidateScan>& scans_;
  const std::stop_token& stop_;
  Connection connection_;
};

int StopRequested(void* stop) {
  return static_cast<const std::stop_token*>(stop)->stop_requested() ? 1 : 0;
}

CandidateBuilder::CandidateBuilder(const std::string& store_file, const std::string& list_file,
                                   const CandidateQuery& query,
                                   const std::vector<CandidateScan>& scans,
                                   const std::stop_token& stop)
    : query_(query),
      scans_(scans),
      stop_(stop),
      connection_(list_file, Connection::Access::kCreate, kBuildCacheKib) {
  // Nobody else sees the list before it is complete, and nobody wants one that is not.
  connection_.Execute(
      "PRAGMA main.journal_mode = OFF; PRAGMA main.synchronous = OFF;"
      "PRAGMA main.locking_mode = EXCLUSIVE; PRAGMA temp.journal_mode = OFF;"
      "PRAGMA temp.cache_size = -4096");
  connection_.Execute(absl::StrCat("ATTACH ", QuoteSql(store_file), " AS store"));
  connection_.Execute(absl::StrCat(
      "CREATE TEMP TABLE inode (scan INTEGER, size INTEGER, device INTEGER, inode INTEGER);"
      "CREATE TEMP TABLE size_class (number INTEGER PRIMARY KEY, scan INTEGER, size INTEGER);"
      "CREATE TEMP TABLE staged (class, scan_index, ",
      kFileColumns,
      ");"
      "CREATE TABLE main.candidate (position INTEGER PRIMARY KEY, class, scan_index, ",
      kFileColumns, ")"));
  sqlite3_progress_handler(connection_.database().getHandle(), kStepsBetweenStopChecks,
                           &StopRequested, const_cast<std::stop_token*>(&stop_));
}

template <typename Fn>
void CandidateBuilder::ForEachSlice(Fn fn) const {
  for (std::size_t index = 0; index < scans_.size(); ++index) {
    const CandidateScan& scan = scans_[index];
    for (std::uint64_t first = 1; first <= scan.last_sequence; first += kSliceEvents) {
      if (stop_.stop_requested()) throw SQLite::Exception("interrupted", SQLITE_INTERRUPT);
      const std::uint64_t last = std::min(first + kSliceEvents - 1, scan.last_sequence);
      fn(index, EventKey(scan.job, first), EventKey(scan.job, last));
    }
  }
}

void CandidateBuilder::CollectInodes() {
  const std::int64_t min_size = AsSigned(query_.min_size);
  const std::int64_t max_size =
      query_.max_size ? AsSigned(*query_.max_size) : std::numeric_limits<std::int64_t>::max();
  Query insert(
      connection_.Prepare("INSERT INTO temp.inode SELECT ?1, size, device, inode FROM store.file"
                          " WHERE key BETWEEN ?2 AND ?3 AND type = 0 AND size BETWEEN ?4 AND ?5"));
  ForEachSlice([&](std::size_t index, std::int64_t first_key, std::int64_t last_key) {
    insert.Bind(ClassScan(index)).Bind(first_key).Bind(last_key).Bind(min_size).Bind(max_size);
    insert.Run();
  });
}

// The product is a REAL where it exceeds 64 bits: still in order.
void CandidateBuilder::RankSizeClasses() {
  connection_.Execute(
      "INSERT INTO temp.size_class (scan, size)"
      "  SELECT scan, size FROM"
      "    (SELECT scan, size FROM temp.inode GROUP BY scan, size, device, inode)"
      "  GROUP BY scan, size HAVING count(*) >= 2"
      "  ORDER BY size * (count(*) - 1) DESC, size DESC, scan;"
      "DROP TABLE temp.inode;"
      "CREATE UNIQUE INDEX temp.class_of_size ON size_class (scan, size)");
}

void CandidateBuilder::CollectFiles() {
  // CROSS JOIN: in the order of the store, a look-up in size_class each.
  static const std::string sql =
      absl::StrCat("INSERT INTO temp.staged SELECT number, ?1, ", kFileColumns,
                   " FROM (SELECT * FROM store.file WHERE key BETWEEN ?2 AND ?3 AND type = 0)"
                   " CROSS JOIN (SELECT number, size AS class_size FROM temp.size_class"
                   " WHERE scan = ?4) ON size = class_size");
  {
    Query insert(connection_.Prepare(sql));
    ForEachSlice([&](std::size_t index, std::int64_t first_key, std::int64_t last_key) {
      insert.Bind(static_cast<std::int64_t>(index)).Bind(first_key).Bind(last_key);
      insert.Bind(ClassScan(index));
      insert.Run();
    });
  }
  connection_.Execute("DETACH store");
}

void CandidateBuilder::WriteList() {
  // Of the records of one name, the first is the one to keep.
  static const std::string select =
      absl::StrCat("SELECT class, scan_index, ", kFileColumns,
                   " FROM temp.staged"
                   " ORDER BY class, device, inode, path, ctime DESC, digest IS NULL, scan_index");
  static const std::string insert =
      absl::StrCat("INSERT INTO main.candidate (position, class, scan_index, ", kFileColumns,
                   ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)");
  SQLite::Transaction transaction(connection_.database());
  {
    Query rows(connection_.Prepare(select));
    Query candidate(connection_.Prepare(insert));
    std::optional<CandidateFile> last;
    std::int64_t position = 0;
    while (rows.Next()) {
      CandidateFile next = ReadCandidate(rows);
      if (last && IsSameName(*last, next)) continue;
      candidate.Bind(position++).BindUnsigned(next.size_class).Bind(next.scan_index);
      BindFile(candidate, next.file);
      candidate.Run();
      last = std::move(next);
    }
  }
  transaction.commit();
}

}  // namespace

std::unique_ptr<CandidateList> BuildCandidates(const std::string& store_file,
                                               const std::string& list_file,
                                               const CandidateQuery& query,
                                               const std::vector<CandidateScan>& scans,
                                               const std::stop_token& stop) {
  auto file = std::make_unique<FileRemover>(list_file);
  {
    CandidateBuilder builder(store_file, list_file, query, scans, stop);
    builder.CollectInodes();
    builder.RankSizeClasses();
    builder.CollectFiles();
    builder.WriteList();
  }
  return std::make_unique<SqliteCandidateList>(std::move(file));
}

}  // namespace sluice
