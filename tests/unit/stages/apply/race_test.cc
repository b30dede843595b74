// Apply against four threads that keep replacing the very paths it works on.
//
// Each path has one thread that swaps it: for files of new content, for the planned content once
// more, for symbolic links out of the tree, directories, and FIFOs; by rename, by exchange, and by
// unlinking first. Meanwhile one round of apply follows another, each with a fresh plan of whatever
// is there. The oracle: a path always comes to hold what its thread put there last (the planned
// content may be a link by then), and nothing outside of the root has changed.
//
// SLUICE_RACE_SWAPS, SLUICE_RACE_SECONDS: at least so many, for so long; the long form is 100,000
// for a minute (scripts/faults).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "pipeline/fs/unique_fd.h"
#include "tests/unit/stages/apply/apply_rig.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr int kThreads = 4;
constexpr int kPaths = 24;
constexpr char kPlanned[] = "the planned content";

// How long the swapping goes on: for so many swaps, and so many seconds.
class Duration final {
 public:
  bool Another() { return swaps_.fetch_add(1) < wanted_ || !ended(); }
  bool ended() const { return swaps_ >= wanted_ && std::chrono::steady_clock::now() >= end_; }
  unsigned swaps() const { return swaps_; }

 private:
  const unsigned wanted_ = FromEnvironment("SLUICE_RACE_SWAPS", 4'000);
  const std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() +
      std::chrono::seconds(FromEnvironment("SLUICE_RACE_SECONDS", 0));
  std::atomic<unsigned> swaps_ = 0;
};

// Nothing, if it has become something else than a file meanwhile.
std::string ReadAll(const std::string& path) {
  // A FIFO would wait for its writer.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  std::array<char, 256> content = {};
  const ssize_t size = ::read(file.get(), content.data(), content.size());
  return {content.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

// What stands at a path, in a form that can be compared: bytes of a file stand for every link to
// it.
std::string Seen(const std::string& path) {
  struct stat info = {};
  if (::lstat(path.c_str(), &info) != 0) return "nothing";
  if (S_ISFIFO(info.st_mode)) return "fifo";
  if (S_ISDIR(info.st_mode)) return absl::StrCat("directory:", ReadAll(path + "/inside"));
  if (S_ISLNK(info.st_mode)) {
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    if (target.is_absolute()) return absl::StrCat("link:", target.string());
    // One of apply's.
    return absl::StrCat("file:", ReadAll((fs::path(path).parent_path() / target).string()));
  }
  return absl::StrCat("file:", ReadAll(path));
}

class Swapper final {
 public:
  Swapper(ApplyRig& rig, std::string canary, int index, unsigned seed)
      : rig_(rig), canary_(std::move(canary)), index_(index), random_(seed + index) {
    for (int path = index; path < kPaths; path += kThreads) {
      paths_.push_back({rig.Path(absl::StrCat("f", path)), absl::StrCat("file:", kPlanned)});
    }
  }

  void SwapOne() {
    Path& path = paths_[random_() % paths_.size()];
    ExpectHolds(path);
    const std::string scratch = rig_.Path(absl::StrCat("scratch/", index_));
    path.holds = Prepare(scratch);
    Put(scratch, path.name);
  }

  void ExpectAll() {
    for (const Path& path : paths_) ExpectHolds(path);
  }

 private:
  struct Path {
    std::string name;
    std::string holds;  // As Seen.
  };

  // While names are exchanged and back, the planned content is there for a moment.
  static void ExpectHolds(const Path& path) {
    std::string seen;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    do {
      seen = Seen(path.name);
    } while (seen != path.holds && std::chrono::steady_clock::now() < deadline);
    EXPECT_EQ(seen, path.holds) << path.name;
  }

  std::string Prepare(const std::string& scratch) {
    switch (random_() % 8) {
      case 0:
        fs::create_symlink(canary_, scratch);
        return absl::StrCat("link:", canary_);
      case 1: {
        fs::create_directory(scratch);
        const std::string inside = absl::StrCat(index_, "/", ++count_);
        std::ofstream(scratch + "/inside") << inside;
        return absl::StrCat("directory:", inside);
      }
      case 2:
        ::mkfifo(scratch.c_str(), 0600);
        return "fifo";
      case 3: {
        const std::string content = absl::StrCat("new ", index_, "/", ++count_);
        std::ofstream(scratch) << content;
        return absl::StrCat("file:", content);
      }
      default:
        std::ofstream(scratch) << kPlanned;
        return absl::StrCat("file:", kPlanned);
    }
  }

  void Put(const std::string& scratch, const std::string& name) {
    if (random_() % 4 == 0) {
      // Apply may put back what was unlinked, or is about to be, so until it is this that stands
      // there.
      do {
        std::error_code gone_or_another;
        fs::remove_all(name, gone_or_another);
      } while (::renameat2(AT_FDCWD, scratch.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) !=
               0);
      return;
    }
    while (::renameat2(AT_FDCWD, scratch.c_str(), AT_FDCWD, name.c_str(), RENAME_EXCHANGE) != 0) {
    }
    fs::remove_all(scratch);
  }

  ApplyRig& rig_;
  const std::string canary_;
  const int index_;
  std::mt19937 random_;
  int count_ = 0;
  std::vector<Path> paths_;
};

// A plan of the regular files that are there now; whether or not they still are when it is used.
std::optional<StoredPlan> PlanOfNow(ApplyRig& rig) {
  std::vector<std::string> names = {"source"};
  for (int i = 0; i < kPaths; ++i) {
    const std::string name = absl::StrCat("f", i);
    struct stat info = {};
    if (::lstat(rig.Path(name).c_str(), &info) == 0 && S_ISREG(info.st_mode)) names.push_back(name);
  }
  StoredPlan plan;
  try {
    plan = rig.PlanOf(names);
  } catch (const std::exception&) {  // One has gone in between.
    return std::nullopt;
  }
  return plan;
}

// What was replaced at the very moment when apply was about to put it back.
void RemoveRescued(ApplyRig& rig) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(rig.Path(".sluice"), none)) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name.starts_with("rescued-")) << name;
    fs::remove_all(entry);
  }
}

class ApplyRace : public ::testing::TestWithParam<Action> {};

TEST_P(ApplyRace, LosesNothingThatOthersPutThere) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  ApplyRig rig;
  TempTree outside(ApplyDir());
  const std::string canary = outside.Write("canary", "untouched");
  const FileStat canary_before = outside.Stat("canary");
  rig.tree().MakeDirectory("scratch");
  rig.tree().Write("source", kPlanned);
  for (int i = 0; i < kPaths; ++i) rig.tree().Write(absl::StrCat("f", i), kPlanned);

  Duration duration;
  std::vector<std::unique_ptr<Swapper>> swappers;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    swappers.push_back(std::make_unique<Swapper>(rig, canary, i, seed));
    threads.emplace_back([&, swapper = swappers.back().get()] {
      while (duration.Another() && !::testing::Test::HasFailure()) swapper->SwapOne();
    });
  }
  ApplyOptions options = ApplyRig::Executing(GetParam());
  options.metadata = MetadataPolicy::kTakeSource;
  int applied = 0;
  while (!duration.ended() && !HasFailure()) {
    std::optional<StoredPlan> plan = PlanOfNow(rig);
    if (!plan) continue;
    rig.plans().resize(1);
    rig.plans()[0] = *std::move(plan);
    rig.plans()[0].name = "plans/now";
    // Each round is a job of its own, and its names are those of the one before.
    EXPECT_TRUE(rig.Recover().ok());
    fs::remove(rig.journal());
    RemoveRescued(rig);
    for (const ApplyOutcome& outcome : rig.Apply(options).outcomes) {
      applied += outcome.result == ApplyOutcome::Result::kApplied ? 1 : 0;
    }
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& swapper : swappers) swapper->ExpectAll();
  EXPECT_GT(applied, 0);
  EXPECT_EQ(outside.Stat("canary"), canary_before);
  std::cout << duration.swaps() << " swaps, " << applied << " changes\n";
}

INSTANTIATE_TEST_SUITE_P(Actions, ApplyRace,
                         ::testing::Values(Action::kHardlink, Action::kSymlink));

}  // namespace
}  // namespace sluice
