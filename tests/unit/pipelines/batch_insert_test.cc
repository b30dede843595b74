// Rows into a database, two hundred to a transaction.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>

#include "pipeline/async/async_generator.h"
#include "pipeline/async/task.h"
#include "pipeline/ops/batch.h"
#include "tests/unit/pipelines/scoped_test.h"

namespace sluice {
namespace {

using std::chrono_literals::operator""s;

class PeopleTable final {
 public:
  PeopleTable() { database_.exec("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)"); }

  struct Row {
    std::int64_t id;
    std::string name;
  };

  // All of them or none.
  void Insert(const std::vector<Row>& rows) {
    SQLite::Transaction transaction(database_);
    SQLite::Statement insert(database_, "INSERT INTO people VALUES (?, ?)");
    for (const Row& row : rows) {
      insert.bind(1, row.id);
      insert.bind(2, row.name);
      insert.exec();
      insert.reset();
    }
    transaction.commit();
  }

  std::int64_t size() { return database_.execAndGet("SELECT count(*) FROM people").getInt64(); }

 private:
  SQLite::Database database_{":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
};

using Row = PeopleTable::Row;

AsyncGenerator<Row> People(std::vector<std::int64_t> ids) {
  for (const std::int64_t id : ids) co_yield Row{.id = id, .name = "person " + std::to_string(id)};
}

class BatchInsert : public ScopedTest {
 protected:
  Task<> InsertAll(AsyncGenerator<Row> rows) {
    auto batches = std::move(rows) | Batch(scope_, clock_, {.max_items = 200, .max_delay = 1s});
    while (auto batch = co_await batches.Next()) {
      table_.Insert(*batch);
      inserted_.push_back(batch->size());
    }
  }

  PeopleTable table_;
  std::vector<std::size_t> inserted_;
};

std::vector<std::int64_t> UpTo(std::size_t last) {
  std::vector<std::int64_t> ids(last);
  std::iota(ids.begin(), ids.end(), 1);
  return ids;
}

TEST_F(BatchInsert, InsertsTwoHundredRowsATransactionAndTheRest) {
  Run(InsertAll(People(UpTo(450))));
  EXPECT_EQ(inserted_, std::vector<std::size_t>({200, 200, 50}));
  EXPECT_EQ(table_.size(), 450);
}

TEST_F(BatchInsert, ABatchThatFailsIsRolledBackAndThoseBeforeItStay) {
  auto ids = UpTo(600);
  ids[350] = 1;  // Is there already.
  EXPECT_THROW(Run(InsertAll(People(ids))), SQLite::Exception);
  EXPECT_EQ(table_.size(), 200);
}

}  // namespace
}  // namespace sluice
