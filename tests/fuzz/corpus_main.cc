// Runs the files of a corpus through a fuzz target as a plain test: df_fuzz links this in where there
// is no libFuzzer. Arguments: files and directories. Fails when there is nothing to run.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> Collect(int argc, char** argv) {
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

void Run(const std::vector<std::uint8_t>& bytes) {
  // An allocation of exactly this size, so that AddressSanitizer sees reads behind the end.
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<fs::path> files = Collect(argc, argv);
  for (const fs::path& path : files) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "cannot open %s\n", path.c_str());
      return 1;
    }
    // Named before it runs: what crashes is the last one.
    std::printf("%s\n", path.c_str());
    std::fflush(stdout);
    const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(in),
                                          std::istreambuf_iterator<char>()};
    Run(bytes);
    // Every input without its end and with one bit turned, too: cheap, and good at finding reads
    // that trust a length.
    for (std::size_t i = 0; i < std::min<std::size_t>(bytes.size(), 256); ++i) {
      Run({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(i)});
      std::vector<std::uint8_t> turned = bytes;
      turned[i] = static_cast<std::uint8_t>(turned[i] ^ (1U << (i % 8)));
      Run(turned);
    }
  }
  std::printf("%zu files\n", files.size());
  return files.empty() ? 1 : 0;
}
