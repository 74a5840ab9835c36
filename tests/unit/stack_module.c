/* SPDX-License-Identifier: MIT
 *
 * A library for tests: a frame of its own between two of the program's.
 */
void stack_module_call(void (*function)(void));

__attribute__((visibility("default"))) void stack_module_call(void (*function)(void))
{
	volatile char block[100];

	block[0] = 1;
	function();
	block[99] = block[0];
}
