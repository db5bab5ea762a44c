/* main.c - the program's entry; everything it does is in the table of verbs (verbs.c). */
#include "command/command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
