// Runs a target over files and folders of inputs, for compilers without libFuzzer: each input as it is, cut at every
// length, and with every byte changed in four ways. Ends with `N passed, 0 failed`, or with the sanitizer's report.

#include <dirent.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "decoder.h"

namespace {

using Input = std::vector<uint8_t>;

// Long recordings hold the same message many times; their first part has all there is to change.
constexpr size_t mostVariants = 2048;

void run(const Input& input) {
  // A copy of exactly this size, so that the address sanitizer sees a read of one byte more.
  const Input exact(input);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

void runVariants(const Input& input) {
  run(input);
  const size_t reach = std::min(input.size(), mostVariants);
  for (size_t size = 0; size < reach; ++size) run(Input(input.begin(), input.begin() + static_cast<ptrdiff_t>(size)));
  for (size_t i = 0; i < reach; ++i) {
    for (const int change : {0x01, 0x80, 0xff, -1}) {
      Input changed(input);
      changed[i] = change < 0 ? uint8_t{0} : static_cast<uint8_t>(changed[i] ^ change);
      run(changed);
    }
  }
}

bool read(const std::string& path, Input& input) {
  FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  for (int byte = std::fgetc(file); byte != EOF; byte = std::fgetc(file)) input.push_back(static_cast<uint8_t>(byte));
  std::fclose(file);
  return true;
}

std::vector<std::string> filesOf(const std::string& path) {
  std::vector<std::string> files;
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return {path};
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') files.push_back(path + "/" + entry->d_name);
  }
  ::closedir(directory);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int count, char** paths) {
  int passed = 0;
  int failed = 0;
  for (int i = 1; i < count; ++i) {
    for (const std::string& file : filesOf(paths[i])) {
      Input input;
      if (!read(file, input)) {
        std::printf("cannot read %s\n", file.c_str());
        ++failed;
        continue;
      }
      runVariants(input);
      ++passed;
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return passed > 0 && failed == 0 ? 0 : 1;
}
