#pragma once

#include <filesystem>

namespace rowlock::test {

// A new empty folder that everybody may enter, removed at the end with all that is in it.
class scratch_folder {
public:
    scratch_folder();
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    ~scratch_folder();

    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

}
