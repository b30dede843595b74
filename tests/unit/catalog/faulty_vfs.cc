#include "tests/unit/catalog/faulty_vfs.h"

#include <unistd.h>

#include <cassert>
#include <chrono>
#include <cstddef>

namespace sluice {
namespace {

using Calls = FaultyVfs::Calls;

constexpr std::chrono::seconds kPatience(20);

// SQLite allocates it together with the real file, which lies behind it.
struct File {
  sqlite3_file base;
  FaultyVfs* vfs;
};
static_assert(sizeof(File) % alignof(std::max_align_t) == 0);

FaultyVfs& VfsOf(sqlite3_file* file) { return *reinterpret_cast<File*>(file)->vfs; }
sqlite3_file* RealFile(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<File*>(file) + 1);
}
const sqlite3_io_methods& Real(sqlite3_file* file) { return *RealFile(file)->pMethods; }

int Close(sqlite3_file* file) { return Real(file).xClose(RealFile(file)); }

int Read(sqlite3_file* file, void* buffer, int size, sqlite3_int64 offset) {
  const int result = VfsOf(file).Result(Calls::kReads);
  if (result != SQLITE_OK) return result;
  return Real(file).xRead(RealFile(file), buffer, size, offset);
}

int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  const int result = VfsOf(file).Result(Calls::kWrites);
  const int written = result == SQLITE_OK ? size : size / 2;
  const int real_result = Real(file).xWrite(RealFile(file), bytes, written, offset);
  if (result == FaultyVfs::kKill) ::_exit(FaultyVfs::kKilledStatus);
  return result == SQLITE_OK ? real_result : result;
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  const int result = VfsOf(file).Result(Calls::kWrites);
  if (result == FaultyVfs::kKill) ::_exit(FaultyVfs::kKilledStatus);
  return result == SQLITE_OK ? Real(file).xTruncate(RealFile(file), size) : result;
}

int Sync(sqlite3_file* file, int /*flags*/) {
  VfsOf(file).WaitWhileHeld();
  const int result = VfsOf(file).Result(Calls::kSyncs);
  if (result == FaultyVfs::kKill) ::_exit(FaultyVfs::kKilledStatus);
  return result;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Real(file).xFileSize(RealFile(file), size);
}
int Lock(sqlite3_file* file, int lock) { return Real(file).xLock(RealFile(file), lock); }
int Unlock(sqlite3_file* file, int lock) { return Real(file).xUnlock(RealFile(file), lock); }
int CheckReservedLock(sqlite3_file* file, int* reserved) {
  return Real(file).xCheckReservedLock(RealFile(file), reserved);
}
int FileControl(sqlite3_file* file, int operation, void* argument) {
  return Real(file).xFileControl(RealFile(file), operation, argument);
}
int SectorSize(sqlite3_file* file) { return Real(file).xSectorSize(RealFile(file)); }
int DeviceCharacteristics(sqlite3_file* file) {
  return Real(file).xDeviceCharacteristics(RealFile(file));
}

int ShmMap(sqlite3_file* file, int page, int page_size, int extend, void volatile** memory) {
  const int result = extend != 0 ? VfsOf(file).Result(Calls::kWrites) : SQLITE_OK;
  if (result == FaultyVfs::kKill) ::_exit(FaultyVfs::kKilledStatus);
  // To SQLite, SQLITE_READONLY says here that it has got memory which it may only read.
  if (result != SQLITE_OK && result != SQLITE_READONLY) return result;
  return Real(file).xShmMap(RealFile(file), page, page_size, extend, memory);
}
int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  return Real(file).xShmLock(RealFile(file), offset, count, flags);
}
void ShmBarrier(sqlite3_file* file) { Real(file).xShmBarrier(RealFile(file)); }
int ShmUnmap(sqlite3_file* file, int remove) {
  return Real(file).xShmUnmap(RealFile(file), remove);
}

// Version 2: without the calls that map the file, which the catalog does not want.
constexpr sqlite3_io_methods kMethods = {.iVersion = 2,
                                         .xClose = &Close,
                                         .xRead = &Read,
                                         .xWrite = &Write,
                                         .xTruncate = &Truncate,
                                         .xSync = &Sync,
                                         .xFileSize = &FileSize,
                                         .xLock = &Lock,
                                         .xUnlock = &Unlock,
                                         .xCheckReservedLock = &CheckReservedLock,
                                         .xFileControl = &FileControl,
                                         .xSectorSize = &SectorSize,
                                         .xDeviceCharacteristics = &DeviceCharacteristics,
                                         .xShmMap = &ShmMap,
                                         .xShmLock = &ShmLock,
                                         .xShmBarrier = &ShmBarrier,
                                         .xShmUnmap = &ShmUnmap,
                                         .xFetch = nullptr,
                                         .xUnfetch = nullptr};

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* opened_flags) {
  auto& faulty = *static_cast<FaultyVfs*>(vfs->pAppData);
  file->pMethods = nullptr;
  const bool writable = (flags & SQLITE_OPEN_READWRITE) != 0;
  const int result = faulty.Result(writable ? Calls::kWrites : Calls::kReads);
  if (result == FaultyVfs::kKill) ::_exit(FaultyVfs::kKilledStatus);
  // On a read-only file system the real VFS opens what exists to be read.
  if (result == SQLITE_READONLY) {
    flags &= ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    flags |= SQLITE_OPEN_READONLY;
  } else if (result != SQLITE_OK) {
    return result;
  }
  reinterpret_cast<File*>(file)->vfs = &faulty;
  sqlite3_vfs& real = faulty.real();
  const int opened = real.xOpen(&real, name, RealFile(file), flags, opened_flags);
  if (RealFile(file)->pMethods != nullptr) file->pMethods = &kMethods;
  return opened;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  auto& faulty = *static_cast<FaultyVfs*>(vfs->pAppData);
  const int result = faulty.Result(Calls::kWrites);
  if (result == FaultyVfs::kKill) ::_exit(FaultyVfs::kKilledStatus);
  if (result != SQLITE_OK) return result;
  return faulty.real().xDelete(&faulty.real(), name, sync_directory);
}

}  // namespace

FaultyVfs::FaultyVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
  vfs_.zName = "faulty";
  vfs_.pNext = nullptr;
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
  vfs_.xOpen = &Open;
  vfs_.xDelete = &Delete;
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/1);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_, /*makeDflt=*/1);
}

void FaultyVfs::Arm(const Fault& fault) {
  assert(fault.nth >= 1);
  std::lock_guard lock(mutex_);
  armed_ = true;
  calls_ = 0;
  fault_ = fault;
}

bool FaultyVfs::Disarm() {
  std::lock_guard lock(mutex_);
  armed_ = false;
  return calls_ >= fault_.nth;
}

void FaultyVfs::HoldSyncs() {
  std::lock_guard lock(mutex_);
  holds_syncs_ = true;
  held_syncs_ = 0;
  gave_up_ = false;
}

bool FaultyVfs::ReleaseSyncs() {
  std::lock_guard lock(mutex_);
  holds_syncs_ = false;
  changed_.notify_all();
  return held_syncs_ > 0 && !gave_up_;
}

bool FaultyVfs::WaitForHeldSync() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [this] { return held_syncs_ > 0; });
}

void FaultyVfs::WaitWhileHeld() {
  std::unique_lock lock(mutex_);
  if (!holds_syncs_) return;
  ++held_syncs_;
  changed_.notify_all();
  if (!changed_.wait_for(lock, kPatience, [this] { return !holds_syncs_; })) gave_up_ = true;
}

int FaultyVfs::Result(Calls calls) {
  std::lock_guard lock(mutex_);
  const bool is_meant =
      calls == fault_.calls || (calls == Calls::kSyncs && fault_.calls == Calls::kWrites);
  if (!armed_ || !is_meant) return SQLITE_OK;
  ++calls_;
  const bool hit = calls_ >= fault_.nth && calls_ - fault_.nth < fault_.hits;
  return hit ? fault_.result : SQLITE_OK;
}

}  // namespace sluice
