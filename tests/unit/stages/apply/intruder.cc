#include "tests/unit/stages/apply/intruder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace sluice {
namespace {

void Must(bool done, const std::string& what) {
  if (!done) throw std::runtime_error("cannot touch a file: " + what);
}

UniqueFd OpenToWrite(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  Must(fd.valid(), path);
  return fd;
}

void SetModifyTime(const std::string& path, std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                             {.tv_sec = ns / kSecond, .tv_nsec = ns % kSecond}};
  Must(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0, "utimensat");
}

}  // namespace

const char* NameOf(Touch touch) {
  static constexpr std::array<const char*, kTouches> kNames = {"append",
                                                               "truncate",
                                                               "rewrite",
                                                               "overwrite",
                                                               "overwrite secretly",
                                                               "store mapped",
                                                               "store mapped unnoticed",
                                                               "replace",
                                                               "replace by the same",
                                                               "delete",
                                                               "hold open",
                                                               "hold mapped"};
  return kNames.at(static_cast<std::size_t>(touch));
}

Mapping::Mapping(const std::string& path) {
  const UniqueFd fd = OpenToWrite(path);
  void* mapped = ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  Must(mapped != MAP_FAILED, "mmap");
  byte_ = static_cast<char*>(mapped);
}

Mapping::~Mapping() {
  if (byte_ != nullptr) ::munmap(const_cast<char*>(byte_), 1);
}

void Mapping::Sync() { Must(::msync(const_cast<char*>(byte_), 1, MS_SYNC) == 0, "msync"); }

void Intruder::BeforeThePlan() {
  if (touch_ != Touch::kStoreMappedUnnoticed) return;
  const std::int64_t before = tree_.Stat(name_).modify_time_ns;
  mapping_.emplace(path_);
  mapping_->Flip();
  mapping_->Flip();
  SetModifyTime(path_, before);
}

void Intruder::Write(std::uint64_t offset, bool flip) {
  const UniqueFd fd = OpenToWrite(path_);
  const auto at = static_cast<off_t>(offset);
  char byte = 'x';
  if (offset < planned_.size) Must(::pread(fd.get(), &byte, 1, at) == 1, "pread");
  if (flip) byte = static_cast<char>(byte ^ 1);
  Must(::pwrite(fd.get(), &byte, 1, at) == 1, "pwrite");
}

void Intruder::Replace(bool same) {
  std::ifstream file(path_, std::ios::binary);
  std::string content(std::istreambuf_iterator<char>(file), {});
  if (!same) content[content.size() / 2] ^= 1;
  SetModifyTime(tree_.Write(name_ + ".new", content), planned_.modify_time_ns);
  tree_.Rename(name_ + ".new", name_);
}

void Intruder::AfterThePlan(std::mt19937& random) {
  planned_ = tree_.Stat(name_);
  const std::uint64_t within = random() % planned_.size;
  switch (touch_) {
    case Touch::kAppend:
      Write(planned_.size, false);
      break;
    case Touch::kTruncate:
      std::filesystem::resize_file(path_, within);
      break;
    case Touch::kRewrite:
      Write(within, false);
      break;
    case Touch::kOverwrite:
      Write(within, true);
      break;
    case Touch::kOverwriteSecretly:
      Write(within, true);
      SetModifyTime(path_, planned_.modify_time_ns);
      break;
    case Touch::kStoreMapped:
      mapping_.emplace(path_);
      mapping_->Flip();
      // Both ways in which the store may become known to the file system.
      if (within % 2 == 0) mapping_->Sync();
      mapping_.reset();
      break;
    case Touch::kStoreMappedUnnoticed:
      mapping_->Flip();
      mapping_.reset();
      break;
    case Touch::kReplace:
      Replace(false);
      break;
    case Touch::kReplaceBySame:
      Replace(true);
      break;
    case Touch::kDelete:
      tree_.Remove(name_);
      return;
    case Touch::kHoldOpen:
      held_ = OpenToWrite(path_);
      break;
    case Touch::kHoldMapped:
      mapping_.emplace(path_);
      break;
  }
  seen_ = tree_.Stat(name_);
}

// Whether a store into a mapping moves the times is the file system's affair (tmpfs: never), so it
// is seen rather than known; likewise whether the change time was moved within one tick of the
// kernel's clock.
bool Intruder::ShowsInModifyTime() const {
  const bool maybe = touch_ == Touch::kStoreMapped || touch_ == Touch::kStoreMappedUnnoticed;
  if (maybe) return seen_->modify_time_ns != planned_.modify_time_ns;
  return touch_ != Touch::kOverwriteSecretly;
}

SkipReason Intruder::ReasonForCopy() const {
  if (touch_ == Touch::kDelete) return SkipReason::kVanished;
  if (Holds()) return SkipReason::kBusy;
  const bool shows = ShowsInModifyTime() || seen_->change_time_ns != planned_.change_time_ns;
  return shows ? SkipReason::kChanged : SkipReason::kContentDiffers;
}

// The change time of a source moves with every link to it, and is not compared: its content is.
SkipReason Intruder::ReasonForSource(ApplyOptions::Verify verify) const {
  const bool shows = touch_ == Touch::kDelete || Holds() || ShowsInModifyTime();
  if (shows || verify == ApplyOptions::Verify::kDigest) return SkipReason::kSourceUnavailable;
  return SkipReason::kContentDiffers;
}

}  // namespace sluice
