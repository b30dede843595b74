#include "server/catalog/sqlite/connection.h"

#include <bit>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Exception.h>
#include <sqlite3.h>

namespace sluice {
namespace {

// Longer than any wait there is by design: readers are done within a page, and a checkpoint that
// waits for them gives up and comes back later.
constexpr int kBusyTimeoutMs = 5000;

int OpenFlags(Connection::Access access) {
  switch (access) {
    case Connection::Access::kRead:
      return SQLite::OPEN_READONLY | SQLite::OPEN_NOMUTEX;
    case Connection::Access::kWrite:
      return SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX;
    case Connection::Access::kCreate:
      return SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX;
  }
  return 0;
}

}  // namespace

Query::~Query() { statement_.tryReset(); }

Query& Query::Bind(std::int64_t value) {
  statement_.bind(++bound_, value);
  return *this;
}

Query& Query::BindUnsigned(std::uint64_t value) { return Bind(std::bit_cast<std::int64_t>(value)); }

Query& Query::BindText(const std::string& text) {
  statement_.bindNoCopy(++bound_, text);
  return *this;
}

Query& Query::BindBytes(std::string_view bytes) {
  if (bytes.size() > std::numeric_limits<int>::max()) {
    throw SQLite::Exception("value too big", SQLITE_TOOBIG);
  }
  // Without an address SQLite takes it for NULL, not for no bytes.
  const void* data = bytes.data() == nullptr ? "" : bytes.data();
  statement_.bindNoCopy(++bound_, data, static_cast<int>(bytes.size()));
  return *this;
}

Query& Query::BindCopyOfBytes(std::string_view bytes) {
  statement_.bind(++bound_, bytes.data(), static_cast<int>(bytes.size()));
  return *this;
}

Query& Query::BindNull() {
  statement_.bind(++bound_);
  return *this;
}

bool Query::Next() { return statement_.executeStep(); }

void Query::Run() {
  while (statement_.executeStep()) {
  }
  statement_.reset();
  bound_ = 0;
}

bool Query::IsNull(int column) const { return statement_.isColumnNull(column); }

std::int64_t Query::Integer(int column) const { return statement_.getColumn(column).getInt64(); }

std::uint64_t Query::Unsigned(int column) const {
  return std::bit_cast<std::uint64_t>(Integer(column));
}

std::string Query::Text(int column) const { return statement_.getColumn(column).getString(); }

std::string_view Query::Bytes(int column) const {
  const SQLite::Column value = statement_.getColumn(column);
  const auto* data = static_cast<const char*>(value.getBlob());
  return {data, static_cast<std::size_t>(value.getBytes())};
}

Connection::Connection(const std::string& file, Access access, int cache_kib)
    : database_(file, OpenFlags(access), kBusyTimeoutMs) {
  // SQLite opens a file that cannot be written to read it only, and would fail at each write.
  if (access != Access::kRead && sqlite3_db_readonly(database_.getHandle(), "main") != 0) {
    throw SQLite::Exception(file + " cannot be written", SQLITE_READONLY);
  }
  Execute(absl::StrCat("PRAGMA cache_size = -", cache_kib,
                       "; PRAGMA mmap_size = 0"           // I/O errors are no SIGBUS.
                       "; PRAGMA temp_store = FILE"       // Sorts of any size in bounded memory.
                       "; PRAGMA trusted_schema = OFF"    // The file may come from anywhere.
                       "; PRAGMA cell_size_check = ON"    // Finds damage early, at little cost.
                       "; PRAGMA secure_delete = OFF"));  // Nothing here is secret once deleted.
}

std::int64_t Connection::ReadInteger(const std::string& sql) {
  return database_.execAndGet(sql).getInt64();
}

SQLite::Statement& Connection::Prepare(std::string_view sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    std::string text(sql);
    SQLite::Statement statement(database_, text);
    found = statements_.emplace(std::move(text), std::move(statement)).first;
  }
  return found->second;
}

std::string QuoteSql(std::string_view text) {
  return absl::StrCat(
      "'", absl::StrReplaceAll(absl::string_view(text.data(), text.size()), {{"'", "''"}}), "'");
}

}  // namespace sluice
