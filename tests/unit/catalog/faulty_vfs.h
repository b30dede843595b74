#ifndef SLUICE_TESTS_UNIT_CATALOG_FAULTY_VFS_H_
#define SLUICE_TESTS_UNIT_CATALOG_FAULTY_VFS_H_

#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>

#include <sqlite3.h>

namespace sluice {

// SQLite's default VFS while it lives: the real one, whose n-th call fails, or ends the process.
//
//   FaultyVfs disk;
//   disk.Arm({.result = SQLITE_FULL, .nth = 3});
//   ... the third call that changes a file fails, the others work ...
//   EXPECT_TRUE(disk.Disarm());
//
// A write that is hit has written half of its bytes. A sync does nothing, so that loops are fast:
// what is tested here is crashes of the process. Lifetime: outlives the connections that are opened
// while it lives. Thread-safe.
class FaultyVfs final {
 public:
  enum class Calls : std::uint8_t {
    kReads,   // Reads, and opening to read.
    kWrites,  // Writes, truncations, removals, opening to write, growth of shared memory; syncs.
    kSyncs,   // Syncs alone.
  };
  static constexpr std::uint64_t kForEver = std::numeric_limits<std::uint64_t>::max();
  // As a result: the process ends at once, with the exit status kKilledStatus.
  static constexpr int kKill = -1;
  static constexpr int kKilledStatus = 77;

  struct Fault {
    Calls calls = Calls::kWrites;
    int result = SQLITE_IOERR;
    std::uint64_t nth = 1;   // 1: the next call.
    std::uint64_t hits = 1;  // So many calls from there on fail.
  };

  FaultyVfs();
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  void Arm(const Fault& fault);
  // Ends the fault. Returns whether any call was hit.
  bool Disarm();

  // Syncs that begin from now on take until ReleaseSyncs, as on a slow disk, but not for ever.
  void HoldSyncs();
  // Returns whether one was held, and none for so long that it gave up.
  bool ReleaseSyncs();
  // Waits until one is held; false when that takes too long.
  bool WaitForHeldSync();
  void WaitWhileHeld();

  // For the calls themselves: what this one must return; SQLITE_OK: as the real one.
  int Result(Calls calls);
  sqlite3_vfs& real() { return *real_; }

 private:
  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool holds_syncs_ = false;
  int held_syncs_ = 0;
  bool gave_up_ = false;
  bool armed_ = false;
  std::uint64_t calls_ = 0;
  Fault fault_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_CATALOG_FAULTY_VFS_H_
