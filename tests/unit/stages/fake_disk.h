#ifndef SLUICE_TESTS_UNIT_STAGES_FAKE_DISK_H_
#define SLUICE_TESTS_UNIT_STAGES_FAKE_DISK_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "pipeline/async/status_error.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/file.h"
#include "pipeline/fs/file_reading.h"
#include "pipeline/fs/hasher.h"
#include "pipeline/stages/candidate_list.h"

namespace sluice {

// Files in memory, with hard links and several devices: what a digester reads, and what the records
// of a scan say. A record is made when a name is; the disk may change afterwards.
class FakeDisk final : public ContentDigester {
 public:
  struct Read {
    std::string path;
    ContentPart part = ContentPart::kWhole;

    auto operator<=>(const Read&) const = default;
  };

  // A new inode with one name. Its storage is its size.
  void AddFile(const std::string& path, std::string content, std::uint64_t device = 1) {
    auto inode = std::make_shared<Inode>();
    inode->content = std::move(content);
    inode->stat = {.size = inode->content.size(),
                   .allocated_bytes = inode->content.size(),
                   .modify_time_ns = 1'000'000'000,
                   .change_time_ns = 1,
                   .device = device,
                   .inode = ++last_inode_,
                   .link_count = 1};
    names_[path] = std::move(inode);
    recorded_[path];
  }

  // One more name of the inode that has `existing`.
  void AddLink(const std::string& path, const std::string& existing) {
    names_[path] = names_.at(existing);
    ++names_[path]->stat.link_count;
    recorded_[path];
  }

  FileStat& stat(const std::string& path) { return names_.at(path)->stat; }
  const std::string& content(const std::string& path) const { return names_.at(path)->content; }

  // What happens to the disk after the scan.
  void Remove(const std::string& path) { names_.erase(path); }
  void Touch(const std::string& path) { ++names_.at(path)->stat.change_time_ns; }

  // The scan recorded its digest.
  void RecordDigest(const std::string& path) {
    recorded_.at(path) = DigestOf(names_.at(path)->content, DigestAlgorithm::kSha256);
  }

  // Record of the names as they are now: those that share their size with another inode, the size
  // classes that can give back most first.
  std::vector<CandidateFile> Candidates() const {
    std::map<std::uint64_t, std::set<std::pair<std::uint64_t, std::uint64_t>>> inodes;
    for (const auto& [path, inode] : names_) {
      inodes[inode->stat.size].emplace(inode->stat.device, inode->stat.inode);
    }
    std::vector<CandidateFile> candidates;
    for (const auto& [path, inode] : names_) {
      const std::uint64_t size = inode->stat.size;
      if (inodes[size].size() < 2) continue;
      candidates.push_back(
          {.file = {.path = path, .stat = inode->stat, .digest = recorded_.at(path)},
           .scan_index = 0,
           .size_class = size});
    }
    const auto order = [&inodes](const CandidateFile& candidate) {
      const FileStat& stat = candidate.file.stat;
      const std::uint64_t potential = stat.size * (inodes[stat.size].size() - 1);
      return std::tuple(~potential, stat.size, stat.device, stat.inode,
                        std::string_view(candidate.file.path));
    };
    std::sort(candidates.begin(), candidates.end(),
              [&order](const auto& a, const auto& b) { return order(a) < order(b); });
    return candidates;
  }

  Task<ItemResult<ContentDigest>> DigestFile(DigestRequest request, Executor& /*executor*/,
                                             std::stop_token stop) override {
    WaitWhileBlocked(stop);
    if (request.part == ContentPart::kWhole) WaitUntilGathered();
    co_return ReadNow(request);
  }

  void FailToRead(const std::string& path, ItemError::Reason reason) { unreadable_[path] = reason; }

  // From now on every digest waits until its stop is requested.
  void Block() { blocked_ = true; }

  // From now on a digest of a whole file waits until so many have begun.
  void Gather(std::size_t count) { to_gather_ = count; }
  // False when one of them has waited for too long.
  bool gathered() const {
    std::lock_guard lock(mutex_);
    return begun_ >= to_gather_ && !gave_up_;
  }

  std::vector<Read> reads() const {
    std::lock_guard lock(mutex_);
    return reads_;
  }
  // False when there have not been so many for too long.
  bool WaitForReads(std::size_t count) {
    std::unique_lock lock(mutex_);
    const auto enough = [this, count] { return reads_.size() >= count; };
    return read_once_more_.wait_for(lock, std::chrono::seconds(10), enough);
  }
  std::size_t ReadsOf(ContentPart part) const {
    std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
        reads_.begin(), reads_.end(), [part](const Read& read) { return read.part == part; }));
  }
  std::uint64_t bytes_read() const {
    std::lock_guard lock(mutex_);
    return bytes_read_;
  }

  static Digest DigestOf(std::string_view bytes, DigestAlgorithm algorithm) {
    return sluice::DigestOf(algorithm,
                            {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  }
  // As a job finds it that reads this part of it.
  static Digest DigestOfPart(const std::string& content, ContentPart part,
                             DigestAlgorithm algorithm) {
    return DigestOf(PartOf(content, part), algorithm);
  }

 private:
  struct Inode {
    FileStat stat;
    std::string content;
  };

  ItemResult<ContentDigest> ReadNow(const DigestRequest& request) {
    std::lock_guard lock(mutex_);
    reads_.push_back({request.path, request.part});
    read_once_more_.notify_all();
    if (auto error = Check(request.path, request.expected)) return *std::move(error);
    const auto forbidden = unreadable_.find(request.path);
    if (forbidden != unreadable_.end()) {
      return ItemError{.path = request.path, .operation = "read", .reason = forbidden->second};
    }
    const Inode& inode = *names_.at(request.path);
    const std::string content = PartOf(inode.content, request.part);
    bytes_read_ += content.size();
    const bool keep = !content.empty() && request.keep.size() >= content.size();
    if (keep) std::ranges::copy(content, request.keep.begin());
    return ContentDigest{.digest = DigestOf(content, request.algorithm),
                         .stat = inode.stat,
                         .bytes_read = content.size(),
                         .kept = keep};
  }

  static std::string PartOf(const std::string& content, ContentPart part) {
    std::string bytes;
    for (const Extent& extent : ExtentsOf(part, content.size())) {
      bytes += content.substr(extent.begin, extent.size());
    }
    return bytes;
  }

  std::optional<ItemError> Check(const std::string& path, const FileStat& expected) const {
    const auto name = names_.find(path);
    if (name == names_.end()) {
      return ItemError{.path = path, .operation = "open", .reason = ItemError::Reason::kVanished};
    }
    if (!SameVersion(name->second->stat, expected)) {
      return ItemError{.path = path, .operation = "open", .reason = ItemError::Reason::kChanged};
    }
    return std::nullopt;
  }

  void WaitWhileBlocked(const std::stop_token& stop) {
    if (!blocked_) return;
    std::unique_lock lock(mutex_);
    stopped_.wait(lock, stop, [] { return false; });
    throw Cancelled();
  }

  void WaitUntilGathered() {
    std::unique_lock lock(mutex_);
    if (++begun_ == to_gather_) all_begun_.notify_all();
    const auto all_begun = [this] { return begun_ >= to_gather_; };
    if (!all_begun_.wait_for(lock, std::chrono::seconds(10), all_begun)) gave_up_ = true;
  }

  std::map<std::string, std::shared_ptr<Inode>> names_;
  std::map<std::string, std::optional<Digest>> recorded_;
  std::map<std::string, ItemError::Reason> unreadable_;
  std::uint64_t last_inode_ = 0;
  std::atomic<bool> blocked_ = false;

  mutable std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::condition_variable all_begun_;
  std::condition_variable read_once_more_;
  std::size_t to_gather_ = 0;
  std::size_t begun_ = 0;
  bool gave_up_ = false;
  std::vector<Read> reads_;
  std::uint64_t bytes_read_ = 0;
};

class FakeCandidates final : public CandidateList {
 public:
  FakeCandidates() = default;
  explicit FakeCandidates(std::vector<CandidateFile> files) : files_(std::move(files)) {}

  absl::StatusOr<std::vector<CandidateFile>> Read(std::uint64_t first, std::size_t limit) override {
    const std::size_t begin = std::min<std::size_t>(first, files_.size());
    const std::size_t end = std::min(begin + limit, files_.size());
    read_ += end - begin;
    return std::vector<CandidateFile>(files_.begin() + static_cast<std::ptrdiff_t>(begin),
                                      files_.begin() + static_cast<std::ptrdiff_t>(end));
  }

  std::uint64_t size() const override { return files_.size(); }

  std::vector<CandidateFile>& files() { return files_; }
  // How many candidates have been handed out.
  std::size_t read() const { return read_; }

 private:
  std::vector<CandidateFile> files_;
  std::atomic<std::size_t> read_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_STAGES_FAKE_DISK_H_
