#include "pipeline/fs/hasher.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace sluice {
namespace {

// The oracle: sha256sum, b2sum --length=256 and xxh128sum of the same bytes.
struct KnownAnswer {
  std::string_view what;
  DigestAlgorithm algorithm;
  std::string_view empty;
  std::string_view abc;
  std::string_view million;  // Byte i is 7 i mod 251.
};

// For the names of the tests.
void PrintTo(const KnownAnswer& answer, std::ostream* out) { *out << answer.what; }

constexpr KnownAnswer kKnownAnswers[] = {
    {"sha256", DigestAlgorithm::kSha256,
     "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "sha256:6e0175cb68d12319c0c68dc4524457aa3ce013d5fe8623d161adb40478a38a80"},
    {"blake2b", DigestAlgorithm::kBlake2b256,
     "blake2b-256:0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
     "blake2b-256:bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
     "blake2b-256:55279b51b91677f1648b40a19b34fb7a742ff79b03fcb9a6185ddb2fcdd2bd36"},
    {"xxh3", DigestAlgorithm::kXxh3_128, "xxh3-128:99aa06d3014798d86001c324468d497f",
     "xxh3-128:06b05ab6733a618578af5f94892f3950", "xxh3-128:2bac1861f7a2739f5d14519539098c8a"},
};

std::span<const std::uint8_t> BytesOf(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::vector<std::uint8_t> MillionBytes() {
  std::vector<std::uint8_t> bytes(1'000'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * 7 % 251);
  }
  return bytes;
}

class HasherTest : public testing::TestWithParam<KnownAnswer> {};

TEST_P(HasherTest, AgreesWithTheCommonTools) {
  const std::unique_ptr<Hasher> hasher = MakeHasher(GetParam().algorithm);
  EXPECT_EQ(DigestText(hasher->Finish()), GetParam().empty);
  hasher->Update(BytesOf("abc"));
  EXPECT_EQ(DigestText(hasher->Finish()), GetParam().abc);
}

TEST_P(HasherTest, DependsOnTheBytesAndNotOnTheirPieces) {
  const std::unique_ptr<Hasher> hasher = MakeHasher(GetParam().algorithm);
  const std::vector<std::uint8_t> bytes = MillionBytes();
  for (const std::size_t piece : {1'000'000UL, 65'536UL, 997UL, 1UL}) {
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      hasher->Update(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    }
    EXPECT_EQ(DigestText(hasher->Finish()), GetParam().million) << piece;
  }
}

TEST_P(HasherTest, DigestsAtOnceWhatItDigestsInPieces) {
  EXPECT_EQ(DigestText(DigestOf(GetParam().algorithm, {})), GetParam().empty);
  EXPECT_EQ(DigestText(DigestOf(GetParam().algorithm, BytesOf("abc"))), GetParam().abc);
  EXPECT_EQ(DigestText(DigestOf(GetParam().algorithm, MillionBytes())), GetParam().million);
}

TEST_P(HasherTest, BeginsAnewAfterFinish) {
  const std::unique_ptr<Hasher> hasher = MakeHasher(GetParam().algorithm);
  hasher->Update(BytesOf("something else"));
  hasher->Finish();
  hasher->Update(BytesOf("a"));
  hasher->Update({});
  hasher->Update(BytesOf("bc"));
  EXPECT_EQ(DigestText(hasher->Finish()), GetParam().abc);
}

INSTANTIATE_TEST_SUITE_P(Algorithms, HasherTest, testing::ValuesIn(kKnownAnswers),
                         [](const auto& tested) { return std::string(tested.param.what); });

}  // namespace
}  // namespace sluice
