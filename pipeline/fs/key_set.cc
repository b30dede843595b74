#include "pipeline/fs/key_set.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

#include "pipeline/async/status_error.h"

namespace sluice {

namespace {

constexpr std::size_t kKeysPerTurn = 4096;

// Interpolation finds an evenly spread key in two or three steps; after so many, halves are faster.
constexpr int kInterpolations = 6;

// A key as a number: the first of its bits, in the order of the keys.
double NumberOf(const SetKey& key) {
  double number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number * 256 + key[i];
  return number;
}

// Where a key has to stand, if it is there at all.
struct Range {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  double low = 0;  // The keys at the two ends, as numbers.
  double high = 0x1p64;

  std::uint64_t size() const { return end - first; }

  std::uint64_t Interpolate(double number) const {
    if (high <= low) return Middle();
    const double share = (number - low) / (high - low);
    return first + static_cast<std::uint64_t>(share * static_cast<double>(size()));
  }
  std::uint64_t Middle() const { return first + size() / 2; }

  // The first key of the block around `guess`, within the range.
  std::uint64_t BlockAround(std::uint64_t guess) const {
    constexpr std::uint64_t kBlock = KeySet::kBlockKeys;
    return std::clamp(guess - std::min(guess, kBlock / 2), first, end - std::min(size(), kBlock));
  }
};

}  // namespace

bool KeySet::Contains(const SetKey& key) const {
  if (file_) return FindInFile(key);
  return std::binary_search(memory_.begin(), memory_.end(), key);
}

bool KeySet::FindInFile(const SetKey& key) const {
  const double number = NumberOf(key);
  Range range{.end = size_};
  std::array<SetKey, kBlockKeys> block;
  for (int step = 0; range.size() > 0; ++step) {
    const std::uint64_t guess = step < kInterpolations ? range.Interpolate(number) : range.Middle();
    const std::uint64_t first = range.BlockAround(guess);
    const std::size_t count = std::min<std::uint64_t>(kBlockKeys, range.end - first);
    ReadKeys(first, count, block.data());
    const SetKey& last = block[count - 1];
    if (key < block.front()) {
      range.end = first;
      range.high = NumberOf(block.front());
    } else if (last < key) {
      range.first = first + count;
      range.low = NumberOf(last);
    } else {
      return std::binary_search(block.data(), block.data() + count, key);
    }
  }
  return false;
}

void KeySet::ReadKeys(std::uint64_t first, std::size_t count, SetKey* to) const {
  const std::size_t bytes = count * sizeof(SetKey);
  if (file_->ReadAt(first * sizeof(SetKey), reinterpret_cast<char*>(to), bytes) != bytes) {
    throw StatusError(absl::UnavailableError("temporary file: it has become shorter"));
  }
}

KeySet::Builder::Builder(std::string directory, std::stop_token stop)
    : directory_(directory),
      stop_(stop),
      spool_({.directory = std::move(directory), .stop = std::move(stop)}) {}

Task<KeySet> KeySet::Builder::Finish(Executor& executor) {
  co_await spool_.Finish(executor);
  KeySet set;
  std::unique_ptr<internal::SpoolFile> file;
  if (spool_.size() > kMaxInMemory) file = std::make_unique<internal::SpoolFile>(directory_);
  auto cursor = spool_.Read();
  std::optional<SetKey> last;
  while (const SetKey* key = cursor.Next()) {
    if (last == *key) continue;
    last = *key;
    if (file) {
      file->Append({reinterpret_cast<const char*>(key->data()), key->size()});
    } else {
      set.memory_.push_back(*key);
    }
    if (++set.size_ % kKeysPerTurn != 0) continue;
    ThrowIfStopRequested(stop_);
    co_await executor.YieldIfBusy();
  }
  if (file) file->Flush();
  set.file_ = std::move(file);
  co_return set;
}

}  // namespace sluice
