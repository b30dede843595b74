#ifndef SLUICE_SERVER_CATALOG_SQLITE_CONNECTION_H_
#define SLUICE_SERVER_CATALOG_SQLITE_CONNECTION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

namespace sluice {

// One use of a prepared statement: bind the parameters in their order, then step.
//
//   Query query(connection.Prepare("SELECT id FROM job WHERE number > ?1"));
//   query.Bind(7);
//   while (query.Next()) Use(query.Text(0));
//
// Text and bytes are not copied: what is bound lives until the query has ended. Unsigned 64-bit
// values are stored as signed ones of the same bits.
// Not thread-safe. Errors: SQLite::Exception. Lifetime: the connection outlives it; at most one
// query of a statement at a time.
class Query final {
 public:
  explicit Query(SQLite::Statement& statement) : statement_(statement) {}
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& Bind(std::int64_t value);
  Query& BindUnsigned(std::uint64_t value);
  Query& BindText(const std::string& text);
  Query& BindBytes(std::string_view bytes);
  Query& BindCopyOfBytes(std::string_view bytes);
  Query& BindNull();

  // True when there is a (next) row.
  bool Next();
  // Steps to the end, and makes ready to be bound anew.
  void Run();

  bool IsNull(int column) const;
  std::int64_t Integer(int column) const;
  std::uint64_t Unsigned(int column) const;
  std::string Text(int column) const;
  // Valid until the next step.
  std::string_view Bytes(int column) const;

 private:
  SQLite::Statement& statement_;
  int bound_ = 0;
};

// A connection to a database file, and the statements that it has prepared so far.
// Used by one thread at a time. Errors: SQLite::Exception.
class Connection final {
 public:
  enum class Access : std::uint8_t { kRead, kWrite, kCreate };

  // `cache_kib` bounds the page cache, and what a sort holds in memory before it spills to a file.
  Connection(const std::string& file, Access access, int cache_kib);

  SQLite::Database& database() { return database_; }

  // One statement or several; none may return rows that matter.
  void Execute(const std::string& sql) { database_.exec(sql); }
  // The first column of the first row.
  std::int64_t ReadInteger(const std::string& sql);

  // Prepares once for each text; there are as many as there are different texts in the code.
  SQLite::Statement& Prepare(std::string_view sql);

 private:
  SQLite::Database database_;
  std::map<std::string, SQLite::Statement, std::less<>> statements_;
};

// 'text', with the quotes in it doubled: for the few places of SQL that take no parameter.
std::string QuoteSql(std::string_view text);

}  // namespace sluice

#endif  // SLUICE_SERVER_CATALOG_SQLITE_CONNECTION_H_
