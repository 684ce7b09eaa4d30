#include "ops/server_verbs.hpp"

int main(int argc, char** argv)
{
    return rowlock::ops::run_cli(argc, argv, rowlock::ops::all_server_verbs());
}
