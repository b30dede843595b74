#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/catalog/faulty_vfs.h"
#include "tests/unit/catalog/fixture.h"
#include "tests/unit/catalog/script.h"

namespace sluice {
namespace {

using testing::SizeIs;

struct DiskError {
  const char* name;
  FaultyVfs::Calls calls;
  int result;
  absl::StatusCode status;  // What the catalog makes of it.
  std::uint64_t hits = 1;

  std::string Name() const {
    const char* lasts = hits == 1 ? "Once" : hits == FaultyVfs::kForEver ? "ForEver" : "SomeTimes";
    return absl::StrCat(name, lasts);
  }
};

void PrintTo(const DiskError& error, std::ostream* out) { *out << error.Name(); }

void CopyStore(const std::string& from, const std::string& to) {
  for (const char* name : {"/catalog.sqlite", "/catalog.sqlite-wal"}) {
    if (std::filesystem::exists(from + name)) std::filesystem::copy_file(from + name, to + name);
  }
}

// Runs the script on a disk that fails, with every n, from the n-th call on.
class Faults : public testing::TestWithParam<DiskError> {
 protected:
  Faults() { Value(OpenSqliteCatalog(empty_store_.path())); }

  // Returns whether a call was hit.
  bool RunScript(std::uint64_t nth);
  // Calls it until it succeeds; each time that it fails it must have done nothing.
  void CallUntilDone(Catalog& catalog, const TempDirectory& directory, const ScriptStep& step);
  // What a process that opens the store would find if this one were killed now.
  void ExpectKilledNowItIsWhole(const TempDirectory& directory, const ScriptStep& step);

  bool for_ever() const { return GetParam().hits == FaultyVfs::kForEver; }

  FaultyVfs disk_;
  TempDirectory empty_store_;
  CatalogState state_;
};

void Faults::ExpectKilledNowItIsWhole(const TempDirectory& directory, const ScriptStep& step) {
  const TempDirectory copy;
  CopyStore(directory.path(), copy.path());
  const CatalogState found = Value(ReadState(*Value(OpenSqliteCatalog(copy.path()))));
  CatalogState done = state_;
  step.effect(done);
  // Only a disk that goes on failing can leave in the log what has failed.
  EXPECT_TRUE(found == state_ || (for_ever() && found == done));
}

void Faults::CallUntilDone(Catalog& catalog, const TempDirectory& directory,
                           const ScriptStep& step) {
  for (int failures = 0; failures < 20; ++failures) {
    const absl::Status status = step.call(catalog, state_);
    if (status.ok()) return step.effect(state_);
    EXPECT_THAT(status, HasCode(GetParam().status));
    const absl::StatusOr<CatalogState> found = ReadState(catalog);
    if (found.ok()) EXPECT_EQ(*found, state_);
    if (!found.ok()) EXPECT_THAT(found.status(), HasCode(GetParam().status));
    if (for_ever()) disk_.Disarm();
    if (for_ever() || GetParam().hits == 1) ExpectKilledNowItIsWhole(directory, step);
  }
  FAIL() << "it does not work again";
}

bool Faults::RunScript(std::uint64_t nth) {
  const TempDirectory directory;
  CopyStore(empty_store_.path(), directory.path());
  state_.clear();
  std::unique_ptr<Catalog> catalog = Value(OpenSqliteCatalog(directory.path()));
  disk_.Arm({.calls = GetParam().calls,
             .result = GetParam().result,
             .nth = nth,
             .hits = GetParam().hits});
  for (const ScriptStep& step : Script()) {
    SCOPED_TRACE(step.what);
    CallUntilDone(*catalog, directory, step);
  }
  const bool hit = disk_.Disarm();
  EXPECT_EQ(state_, Value(ReadState(*catalog)));
  catalog.reset();
  EXPECT_EQ(state_, Value(ReadState(*Value(OpenSqliteCatalog(directory.path())))));
  EXPECT_EQ(CheckIntegrity(directory.path()), "ok");
  return hit;
}

TEST_P(Faults, ACallThatFailsDoesNothingAndWorksWhenTheDiskDoes) {
  std::uint64_t nth = 1;
  while (RunScript(nth) && !HasFailure()) ++nth;
  EXPECT_FALSE(HasFailure()) << "at call " << nth;
  EXPECT_GT(nth, 5) << "the script should meet the disk more often";
}

constexpr DiskError kFull = {"Full", FaultyVfs::Calls::kWrites, SQLITE_FULL,
                             absl::StatusCode::kResourceExhausted};
constexpr DiskError kWriteError = {"Write", FaultyVfs::Calls::kWrites, SQLITE_IOERR_WRITE,
                                   absl::StatusCode::kUnavailable};
constexpr DiskError kSyncError = {"Sync", FaultyVfs::Calls::kSyncs, SQLITE_IOERR_FSYNC,
                                  absl::StatusCode::kUnavailable};
constexpr DiskError kReadOnly = {"ReadOnly", FaultyVfs::Calls::kWrites, SQLITE_READONLY,
                                 absl::StatusCode::kUnavailable};
constexpr DiskError kReadError = {"Read", FaultyVfs::Calls::kReads, SQLITE_IOERR_READ,
                                  absl::StatusCode::kUnavailable};

std::vector<DiskError> DiskErrors() {
  std::vector<DiskError> errors;
  for (DiskError error : {kFull, kWriteError, kSyncError, kReadOnly, kReadError}) {
    for (const std::uint64_t hits : {std::uint64_t{1}, std::uint64_t{3}, FaultyVfs::kForEver}) {
      error.hits = hits;
      errors.push_back(error);
    }
  }
  return errors;
}

// The catalog with job "a", on a disk that will fail.
class FailingDisk : public testing::Test {
 protected:
  FailingDisk() { EXPECT_THAT(catalog_->CreateJob(job_), IsOk()); }

  // An event of 1 MiB, of a job that goes on: a commit that needs no sync.
  absl::Status Append() {
    JobRecord updated = job_;
    absl::Status status =
        AppendAll(*catalog_, updated, {PayloadEvent(1, std::string(1 << 20, 'x'))});
    if (status.ok()) job_ = updated;
    return status;
  }
  void FailEverySync() {
    disk_.Arm({.calls = FaultyVfs::Calls::kSyncs,
               .result = SQLITE_IOERR_FSYNC,
               .hits = FaultyVfs::kForEver});
  }

  FaultyVfs disk_;
  TempDirectory directory_;
  std::unique_ptr<Catalog> catalog_ = Value(OpenSqliteCatalog(directory_.path()));
  JobRecord job_ = MakeJob("a");
};

TEST_F(FailingDisk, AfterASyncThatFailedNothingIsAcknowledgedBeforeOneHasSucceeded) {
  const auto unavailable = HasCode(absl::StatusCode::kUnavailable);
  ASSERT_THAT(Append(), IsOk());
  FailEverySync();
  EXPECT_THAT(Append(), IsOk()) << "needs no sync";
  EXPECT_THAT(catalog_->CreateJob(MakeJob("b")), unavailable);
  EXPECT_THAT(Append(), unavailable);
  disk_.Disarm();
  EXPECT_THAT(Append(), IsOk());
  EXPECT_THAT(ReadAllEvents(*catalog_, "a", 10), SizeIs(3));
}

TEST_F(FailingDisk, AMergeOfTheLogWhoseSyncFailedStopsTheNextWriteNotTheOneBeforeIt) {
  FailEverySync();
  absl::Status status;
  while (job_.last_sequence < 100 && status.ok()) status = Append();
  EXPECT_THAT(status, HasCode(absl::StatusCode::kUnavailable));
  EXPECT_EQ(Value(catalog_->GetJob("a")), job_);
  disk_.Disarm();
  EXPECT_THAT(Append(), IsOk());
  EXPECT_THAT(ReadAllEvents(*catalog_, "a", 100), SizeIs(job_.last_sequence));
}

TEST_F(FailingDisk, AMergeOfTheLogHoldsUpNoWrite) {
  disk_.HoldSyncs();
  for (int i = 0; i < 30; ++i) ASSERT_THAT(Append(), IsOk());
  EXPECT_TRUE(disk_.WaitForHeldSync()) << "30 MiB of log are not merged";
  EXPECT_THAT(Append(), IsOk());
  EXPECT_TRUE(disk_.ReleaseSyncs()) << "a write has waited for a merge";
}

TEST_F(FailingDisk, ACloseThatCannotMergeTheLogLeavesItToTheNextOpening) {
  ASSERT_THAT(Append(), IsOk());
  disk_.Arm({.result = SQLITE_IOERR_WRITE, .hits = FaultyVfs::kForEver});
  catalog_.reset();
  EXPECT_TRUE(disk_.Disarm());
  catalog_ = Value(OpenSqliteCatalog(directory_.path()));
  EXPECT_EQ(Value(catalog_->GetJob("a")), job_);
}

TEST(OpeningOnAFailingDisk, FailsAtAnyCallAndWorksWhenTheDiskDoes) {
  FaultyVfs disk;
  bool hit = true;
  for (std::uint64_t nth = 1; hit && !testing::Test::HasFailure(); ++nth) {
    SCOPED_TRACE(nth);
    const TempDirectory directory;
    disk.Arm({.result = SQLITE_IOERR_WRITE, .nth = nth, .hits = FaultyVfs::kForEver});
    const absl::Status status = OpenSqliteCatalog(directory.path()).status();
    hit = disk.Disarm();
    if (!status.ok()) EXPECT_THAT(status, HasCode(absl::StatusCode::kFailedPrecondition));
    const auto catalog = Value(OpenSqliteCatalog(directory.path()));
    EXPECT_THAT(catalog->CreateJob(MakeJob("a")), IsOk());
  }
}

TEST(OpeningOnAFailingDisk, AFileThatCanOnlyBeReadIsRefused) {
  FaultyVfs disk;
  const TempDirectory directory;
  Value(OpenSqliteCatalog(directory.path()));
  disk.Arm({.result = SQLITE_READONLY, .hits = FaultyVfs::kForEver});
  const absl::Status status = OpenSqliteCatalog(directory.path()).status();
  EXPECT_THAT(status, HasCode(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("cannot be written"));
}

INSTANTIATE_TEST_SUITE_P(Disk, Faults, testing::ValuesIn(DiskErrors()),
                         [](const auto& info) { return info.param.Name(); });

}  // namespace
}  // namespace sluice
