#include "server/catalog/sqlite/store_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"
#include <SQLiteCpp/Exception.h>
#include <sqlite3.h>

#include "pipeline/fs/unique_fd.h"
#include "server/catalog/sqlite/schema.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

// https://www.sqlite.org/fileformat.html#the_database_header
constexpr std::size_t kHeaderBytes = 100;
constexpr std::size_t kApplicationIdOffset = 68;
constexpr off_t kPageSize = 4096;  // SQLite's default; a file is whole pages.
constexpr std::string_view kMagic("SQLite format 3\0", 16);

absl::Status SystemError(const char* what, const std::string& path, int error_number) {
  return absl::FailedPreconditionError(absl::StrCat("cannot ", what, " ", path, ": ",
                                                    std::generic_category().message(error_number)));
}

absl::Status NoCatalog(const std::string& path, const char* why) {
  return absl::DataLossError(absl::StrCat(path, " is no catalog: ", why, "; it is left as it is"));
}

std::uint32_t BigEndian32(const std::uint8_t* bytes) {
  return (std::uint32_t{bytes[0]} << 24) | (std::uint32_t{bytes[1]} << 16) |
         (std::uint32_t{bytes[2]} << 8) | std::uint32_t{bytes[3]};
}

// What cannot be looked at exists: opening it will say why.
bool Exists(const std::string& path) {
  struct stat found{};
  return ::lstat(path.c_str(), &found) == 0 || errno != ENOENT;
}

absl::Status SyncDirectory(const std::string& path) {
  const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() || ::fsync(directory.get()) != 0) return SystemError("sync", path, errno);
  return absl::OkStatus();
}

// Reads the header without SQLite, which would take a file of another program for its own. Both
// fields are written once, when the file is made, so that the log beside it cannot have newer ones.
absl::Status CheckHeader(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid()) return SystemError("open", path, errno);
  std::array<std::uint8_t, kHeaderBytes> header{};
  const ssize_t size = ::pread(file.get(), header.data(), header.size(), 0);
  if (size < 0) return SystemError("read", path, errno);
  if (std::cmp_less(size, header.size())) return NoCatalog(path, "it is cut short");
  if (!std::equal(kMagic.begin(), kMagic.end(), header.begin())) {
    return NoCatalog(path, "it is not an SQLite database");
  }
  if (BigEndian32(header.data() + kApplicationIdOffset) != kApplicationId) {
    return NoCatalog(path, "it is the database of another application");
  }
  // SQLite would read the rest of the last page as zeros. With a log beside it, the crash of a
  // merge may have left it so, and the log has the page.
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) return SystemError("stat", path, errno);
  if (found.st_size % kPageSize != 0 && !Exists(path + "-wal")) {
    return NoCatalog(path, "it is cut short");
  }
  return absl::OkStatus();
}

absl::Status CreateStore(const StorePaths& paths, int cache_kib) {
  // A log without its database: a new database of that name would be taken over by the log.
  if (Exists(paths.database + "-wal")) {
    return absl::DataLossError(
        absl::StrCat(paths.database, " is missing, but its log is there; it is left as it is"));
  }
  const std::string unfinished = paths.temporary + "/new.sqlite";
  const UniqueFd file(::open(unfinished.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid()) return SystemError("create", unfinished, errno);
  {
    Connection connection(unfinished, Connection::Access::kWrite, cache_kib);
    connection.Execute(absl::StrCat("PRAGMA page_size = ", kPageSize,
                                    "; PRAGMA application_id = ", kApplicationId));
    Migrate(connection, Migrations());
    connection.Execute("PRAGMA journal_mode = WAL");
  }
  if (::rename(unfinished.c_str(), paths.database.c_str()) != 0) {
    return SystemError("create", paths.database, errno);
  }
  return SyncDirectory(paths.directory);
}

// Closing the last connection merges the log into the database, unless told not to.
enum class MergeOnClose : std::uint8_t { kNo, kYes };
void SetMergeOnClose(Connection& connection, MergeOnClose merge) {
  connection.database().check(sqlite3_db_config(connection.database().getHandle(),
                                                SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
                                                merge == MergeOnClose::kNo ? 1 : 0, nullptr));
}

}  // namespace

absl::Status PrepareTemporaryDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno != EEXIST) return SystemError("create", path, errno);
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(path, error))) {
    return SystemError("use", path, ENOTDIR);
  }
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    fs::remove_all(entry->path(), error);
    if (error) break;
  }
  if (error) return SystemError("empty", path, error.value());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Connection>> OpenStore(const StorePaths& paths, int cache_kib) {
  if (!Exists(paths.database)) {
    if (absl::Status created = CreateStore(paths, cache_kib); !created.ok()) return created;
  }
  if (absl::Status header = CheckHeader(paths.database); !header.ok()) return header;

  auto connection =
      std::make_unique<Connection>(paths.database, Connection::Access::kWrite, cache_kib);
  SetMergeOnClose(*connection, MergeOnClose::kNo);
  if (absl::Status version = CheckVersion(*connection, Migrations()); !version.ok()) return version;
  if (absl::Status structure = CheckStructure(*connection); !structure.ok()) return structure;
  SetMergeOnClose(*connection, MergeOnClose::kYes);
  Migrate(*connection, Migrations());
  return connection;
}

}  // namespace sluice
